// The flags that the benchmarks of `restkv eval` share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/flags.h"
#include "cli/kv_flags.h"
#include "cli/prefill_flags.h"
#include "cli/range.h"
#include "eval/evaluate.h"
#include "eval/variants.h"
#include "restkv/status.h"

namespace restkv::cli {

struct EvalFlags {
  ModelFlags model;
  KvFlags kv;
  VariantLists lists{.policies = {"full", "snapkv", "rest-kv"},
                     .budgets = {CacheConfig{}.budget},
                     .kernels = {PolicyOptions{}.kernel},
                     .ada = {}};
  PrefillFlags prefill;
  std::vector<std::string> tasks;
  std::string style = "raw", prompts, out, shard = "0/1";
  int64_t max_length = 0;
  std::optional<int64_t> n;  // samples; none: all, or as many as the benchmark generates
  uint64_t seed = 42;
  int n_jobs = 1;
  std::optional<int> n_together;
  bool skip_bad = false, json = false;
};
void add_eval_flags(CLI::App& app, EvalFlags& flags);

// A list, its items separated by commas. Of a repeated option the last counts, as everywhere.
template <typename T>
CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<T>& values,
                      const std::string& help) {
  const auto take = [&values, names](const std::string& text) {
    std::vector<T> items;
    for (const std::string& item : CLI::detail::split(text, ',')) {
      if (!CLI::detail::lexical_cast(item, items.emplace_back()))
        throw CLI::ConversionError("\"" + item + "\"", names);
    }
    values = std::move(items);
  };
  std::string usual;
  for (const T& value : values)
    usual += (usual.empty() ? "" : ",") + CLI::detail::to_string(value);
  return app.add_option_function<std::string>(names, take, help)->default_str(usual);
}

// What the flags say about a run, before a model is loaded: variants, styles, processes. Its cells,
// configuration and score are the benchmark's.
// Errors: usage, capacity (a variant's budget, by the variant's name), model (a table file).
Result<Evaluation> read_eval_flags(const EvalFlags& flags);

// So many tokens a prompt may be asked to have.
inline constexpr int64_t kMostTokens = INT32_MAX / 2;

// "I/N". Error: usage.
Result<Shard> parse_shard(const std::string& text);

// The last part of a path: folders above it differ between machines.
std::string base_name(const std::string& path);
// What a result line says about a file: its name, and a fingerprint of its text.
std::string file_mark(const std::string& path, const std::string& content);

}  // namespace restkv::cli
