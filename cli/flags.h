// Flags that several commands share, and the structs they fill.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

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
// The same without --kernels, for a command that runs all of them.
void add_model_flags_but_kernels(CLI::App& app, ModelFlags& flags);
void add_kernels_flag(CLI::App& app, ModelFlags& flags);
// The model to load: --model, or the default model that set-up put beside the program.
std::string model_path(const ModelFlags& flags);
Result<EngineOptions> engine_options(const ModelFlags& flags);

// The meaning of a value that is one of a few names. Error: usage.
template <typename T>
Result<T> choose(const std::string& flag, const std::string& value,
                 std::initializer_list<std::pair<const char*, T>> allowed) {
  std::string names;
  for (const auto& [name, meaning] : allowed) {
    if (value == name) return meaning;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return Status::usage(flag + " is \"" + value + "\", allowed: " + names);
}

}  // namespace restkv::cli
