#include "cli/bench_report.h"

#include <cstdio>

#include "cli/runtime.h"

namespace restkv::cli {
namespace {

Json to_json(const bench::Machine& m) {
  return {{"cpu", m.cpu},
          {"cores", m.cores},
          {"kernels", m.kernels},
          {"memory_bytes", m.memory_bytes},
          {"load_before", m.load_before},
          {"compiler", m.compiler},
          {"ggml", m.ggml},
          {"restkv", m.restkv}};
}

std::string number(const Json& value, const Column& column) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", column.digits, value.get<double>() * column.scale);
  return text;
}

std::string cell(const Json& value, const Column& column) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_integer() && column.scale == 1.0) return value.dump();
  if (value.is_number()) return number(value, column);
  for (const char* middle : {"median", "of_medians"}) {
    if (!value.is_object() || !value.contains(middle)) continue;
    if (value["min"] == value["max"]) return number(value[middle], column);
    return number(value[middle], column) + " (" + number(value["min"], column) + " to " +
           number(value["max"], column) + ")";
  }
  return "";
}

void print_head(const Json& document) {
  const Json& m = document["machine"];
  std::printf("%s", document["bench"].get<std::string>().c_str());
  if (document.contains("model")) {
    std::printf(", %s, threads %d", document["model"].get<std::string>().c_str(),
                document["threads"].get<int>());
  }
  if (document.contains("budget")) {
    std::printf(", budget %lld", static_cast<long long>(document["budget"].get<int64_t>()));
  }
  if (document.contains("repeat")) {
    std::printf("; repetitions %d, medians (min to max)", document["repeat"].get<int>());
  }
  std::printf("\n");
  std::printf("%d cores of %s, %s, %.1f GiB; load before %.2f; restkv %s, ggml %s, %s\n\n",
              m["cores"].get<int>(), m["cpu"].get<std::string>().c_str(),
              m["kernels"].get<std::string>().c_str(), m["memory_bytes"].get<double>() / (1 << 30),
              m["load_before"].get<double>(), m["restkv"].get<std::string>().c_str(),
              m["ggml"].get<std::string>().c_str(), m["compiler"].get<std::string>().c_str());
  if (!document.contains("notes")) return;
  for (const Json& note : document["notes"])
    std::printf("%s\n", note.get<std::string>().c_str());
  std::printf("\n");
}

void print_table(const Json& rows, std::span<const Column> columns) {
  std::string header = "|", rule = "|";
  for (const Column& column : columns) {
    header.append(" ").append(column.header).append(" |");
    const bool text = !rows.empty() && rows[0].contains(Json::json_pointer(column.key)) &&
                      rows[0][Json::json_pointer(column.key)].is_string();
    rule += text ? " --- |" : " ---: |";
  }
  std::printf("%s\n%s\n", header.c_str(), rule.c_str());
  for (const Json& row : rows) {
    std::string line = "|";
    for (const Column& column : columns) {
      const Json::json_pointer key(column.key);
      line.append(" ").append(row.contains(key) ? cell(row[key], column) : "").append(" |");
    }
    std::printf("%s\n", line.c_str());
  }
}

}  // namespace

Json to_json(const bench::Spread& s) {
  return {{"median", s.median}, {"min", s.min}, {"max", s.max}};
}

Json to_json(const bench::Ratio& r) {
  return {{"of_medians", r.of_medians}, {"min", r.min}, {"max", r.max}};
}

Json to_json(const bench::Agreement& a) {
  return {{"same_top", a.same_top}, {"kl", a.kl}};
}

Json begin_document(std::string_view name) {
  return {{"bench", name}, {"machine", to_json(bench::describe_machine())}};
}

Json begin_document(std::string_view name, const BenchFlags& flags) {
  Json document = begin_document(name);
  document["repeat"] = flags.n_repeat;
  return document;
}

Json begin_document(std::string_view name, const BenchFlags& flags, const Bench& bench) {
  Json document = begin_document(name, flags);
  const std::string& path = bench.model->path();
  document["model"] = path.substr(path.rfind('/') + 1);
  document["threads"] = bench.compute->n_threads();
  document["budget"] = bench.contest->configs[0].budget;
  return document;
}

Status print_report(const Json& document, std::span<const Table> tables, bool json) {
  if (json) {
    print_json(document);
    return flush_output();
  }
  print_head(document);
  const char* gap = "";
  for (const Table& table : tables) {
    if (!document.contains(table.key)) continue;
    std::printf("%s", gap);
    print_table(document[table.key], table.columns);
    gap = "\n";
  }
  return flush_output();
}

Status print_report(const Json& document, std::span<const Column> columns, bool json) {
  const Table table{"rows", columns};
  return print_report(document, {&table, 1}, json);
}

}  // namespace restkv::cli
