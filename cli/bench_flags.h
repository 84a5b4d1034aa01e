// Flags that the `bench` subcommands share, and what they open.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/common/contest.h"
#include "cli/flags.h"
#include "cli/kv_flags.h"
#include "cli/range.h"

namespace restkv::cli {

struct BenchFlags {
  ModelFlags model;
  KvFlags kv;
  std::string file;                   // empty: a text of our own
  std::vector<std::string> policies;  // empty: --kv-policy alone
  int n_repeat = 3;
  bool json = false;
};

// --repeat and --json, for scenarios without a model.
void add_report_flags(CLI::App& app, BenchFlags& flags);
void add_policies_flag(CLI::App& app, BenchFlags& flags);
// All of them.
void add_bench_flags(CLI::App& app, BenchFlags& flags);
// A list of counts, apart by commas.
void add_counts(CLI::App& app, const std::string& name, std::vector<int64_t>& values,
                const std::string& help);
// Error: usage, naming the flag.
Status check_counts(const std::string& name, const std::vector<int64_t>& values, int64_t least);
Status check_repeat(const BenchFlags& flags);

// --policies: names, each with the other --kv flags as they are given. Errors: as cache_config().
Result<std::vector<CacheConfig>> configs_of(const BenchFlags& flags);
// The text of --file. Errors: as read_text(); usage (an empty file).
Result<std::string> bench_text(const BenchFlags& flags);

// What a scenario runs on.
struct Bench {
  std::shared_ptr<const Model> model;
  std::unique_ptr<Compute> compute;
  std::unique_ptr<bench::Libllama> libllama;  // where asked for
  std::unique_ptr<bench::Contest> contest;
};
// Errors: as configs_of(), bench_text(), Model::load().
Result<Bench> open_bench(const BenchFlags& flags, bool with_libllama);

}  // namespace restkv::cli
