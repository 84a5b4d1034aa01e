// InfiniteBench (arXiv 2402.13718) from its files; its synthetic tasks also generated, at any
// length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "restkv/status.h"
#include "tasks/prompts.h"
#include "tasks/source.h"

namespace restkv {

enum class InfiniteBenchPreset {
  official,  // upstream's limits of new tokens
  restkv,    // those of the ReST-KV reference
};

struct InfiniteBenchSamples {
  std::string task = {};  // one of infinitebench_tasks()
  std::string data = {};  // a folder with <task>.jsonl; empty: generate
  bool skip_bad = false;  // count malformed lines instead of failing
  InfiniteBenchPreset preset = InfiniteBenchPreset::restkv;
  std::shared_ptr<const Prompts> prompts = {};  // null: built in

  // For generating.
  int64_t length = 4096;   // tokens of the prompt and the new tokens
  int64_t n_template = 0;  // of these, what a chat form adds around a prompt
  int64_t n = 50;
  uint64_t seed = 42;
  TextTokens tokens = {};
};

// passkey, number_string, kv_retrieval, math_find, math_calc, code_run.
bool infinitebench_can_generate(std::string_view task);

// Fields of a sample: "label" (as the metric wants it), "id"; generated ones also "n_token" and,
// where one place is asked for, "depth" (0 to 100). Errors: usage (an unknown task, no folder for a
// task that cannot be generated, a length that holds none), model (a file).
Result<std::unique_ptr<SampleSource>> infinitebench_samples(const InfiniteBenchSamples& options);

}  // namespace restkv
