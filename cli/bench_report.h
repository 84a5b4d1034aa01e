// What a benchmark prints: one JSON document, or its rows as a Markdown table.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "bench/common/agreement.h"
#include "bench/common/machine.h"
#include "bench/common/stats.h"
#include "cli/bench_flags.h"
#include "restkv/status.h"

namespace restkv::cli {

using Json = nlohmann::ordered_json;

Json to_json(const bench::Spread& spread);
Json to_json(const bench::Ratio& ratio);
Json to_json(const bench::Agreement& agreement);

// The name of the bench and the machine, which is to be described before anything is measured.
Json begin_document(std::string_view name);
// The same of a bench that repeats what it does.
Json begin_document(std::string_view name, const BenchFlags& flags);
// The same with what a run on a model depends on.
Json begin_document(std::string_view name, const BenchFlags& flags, const Bench& bench);

struct Column {
  const char* header;
  const char* key;  // JSON pointer into a row
  int digits = 1;
  double scale = 1.0;
};
struct Table {
  const char* key;  // of the document: a list of rows; a table that is not there is left out
  std::span<const Column> columns;
};
// The tables one below the other; above them the head and notes as below.
Status print_report(const Json& document, std::span<const Table> tables, bool json);
// document["rows"] as a table; above it the head, and document["notes"] line by line where there
// are some. Error: as flush_output().
Status print_report(const Json& document, std::span<const Column> columns, bool json);

constexpr double kPerMiB = 1.0 / (1 << 20);

}  // namespace restkv::cli
