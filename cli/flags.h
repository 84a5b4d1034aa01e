// Flags that several commands share, and the structs they fill.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv::cli {

// What is wrong with a whole number for an option of type T, which the parser would wrap around or
// cut off. Whether it is a number at all the parser says itself.
template <typename T>
std::string outside_type(const std::string& text) {
  if (std::is_unsigned_v<T> && text.find('-') != std::string::npos) return text + " is below 0";
  errno = 0;
  if constexpr (std::is_unsigned_v<T>) {
    std::strtoull(text.c_str(), nullptr, 0);
  } else {
    std::strtoll(text.c_str(), nullptr, 0);
  }
  return errno == ERANGE ? text + " has more than 64 bits" : std::string();
}

// Adds an option whose help shows its default.
template <typename T>
CLI::Option* add_flag_value(CLI::App& app, const std::string& names, T& value,
                            const std::string& help) {
  CLI::Option* const option = app.add_option(names, value, help)->capture_default_str();
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) option->check(outside_type<T>);
  return option;
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

// A list that names nothing twice. Error: usage.
template <typename T>
Status check_different(const std::string& flag, std::vector<T> values) {
  std::ranges::sort(values);
  const auto twice = std::ranges::adjacent_find(values);
  if (twice == values.end()) return {};
  return Status::usage(flag + " names " + CLI::detail::to_string(*twice) + " twice");
}

}  // namespace restkv::cli
