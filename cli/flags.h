// Flags that several commands share, and the structs they fill.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv::cli {

// Adds an option whose help shows its default.
template <typename T>
CLI::Option* add_flag_value(CLI::App& app, const std::string& names, T& value,
                            const std::string& help) {
  return app.add_option(names, value, help)->capture_default_str();
}

// What holds for every option of a command, once all are added: the environment can set it
// (--kv-budget reads RESTKV_KV_BUDGET), and of a repeated one the last counts.
void finish_options(CLI::App& app);

struct ModelFlags {
  std::string path;  // empty: the default model
  int n_threads = 0;
  std::string kernels = "auto";
};
void add_model_flags(CLI::App& app, ModelFlags& flags);
// The model to load: --model, or the default model that set-up put beside the program.
std::string model_path(const ModelFlags& flags);
Result<EngineOptions> engine_options(const ModelFlags& flags);

struct KvFlags {
  CacheConfig config;
  std::string granularity = "kv-head";
  std::string vote = "mean";
  std::string mode = "after";
  std::string type = "f16";
  std::string layer_budget = "uniform";
  std::string head_budget = "uniform";
  std::string schedule = "prompt";
  std::string positions = "original";
  bool no_projection = false;
};
void add_kv_flags(CLI::App& app, KvFlags& flags);
// True when the command line asks for something that only an eviction would show.
bool any_kv_flag_but_full(const CLI::App& app, const KvFlags& flags);
// Errors: usage (a value that is not one of the allowed), capacity (budget).
Result<CacheConfig> cache_config(const KvFlags& flags);

}  // namespace restkv::cli
