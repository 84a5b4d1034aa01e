// LongBench (arXiv 2308.14508): the 16 English data sets from their files.
#pragma once

#include <memory>
#include <string>

#include "restkv/status.h"
#include "tasks/prompts.h"
#include "tasks/source.h"

namespace restkv {

struct LongBenchSamples {
  std::string task = {};  // one of longbench_tasks()
  std::string data = {};  // a folder with <task>.jsonl
  bool e_form = false;    // <task>_e.jsonl instead
  bool skip_bad = false;  // count malformed lines instead of failing
  // The chat style as LongBench's own runner has it: samsum's answers end before a newline. Which
  // sets are wrapped is in Sample::chat_wrap, whatever this is.
  bool chat = false;
  std::shared_ptr<const Prompts> prompts = {};  // null: built in
};

// Fields of a sample: "answers", "all_classes", "length" (words), "dataset", "language", "_id".
// Errors: usage (an unknown task, no folder, a set that LongBench-E does not have), model (a file).
Result<std::unique_ptr<SampleSource>> longbench_samples(const LongBenchSamples& options);

}  // namespace restkv
