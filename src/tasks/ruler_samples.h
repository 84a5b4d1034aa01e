// RULER (arXiv 2404.06654), read from its files or generated, and one task of ours beside it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "restkv/status.h"
#include "tasks/haystack.h"
#include "tasks/prompts.h"
#include "tasks/source.h"
#include "tasks/word_lists.h"

namespace restkv {

// A JSON object of adjective-noun keys and 7-digit values, one key asked. Not one of RULER's tasks,
// but read and scored like them (the share of the answers found).
inline constexpr std::string_view kJsonWordsTask = "json_words";
inline constexpr int kJsonWordsNewTokens = 32;

enum class RulerPreset {
  official,  // RULER's limits of new tokens
  restkv,    // 64 for every task, as the ReST-KV reference
};

struct RulerSamples {
  std::string task = {};   // one of ruler_tasks(), or kJsonWordsTask
  int64_t length = 4096;   // tokens of the prompt, the answer prefix and the new tokens
  int64_t n_template = 0;  // of these, what a chat form adds around a prompt
  int64_t n = 500;         // samples that are generated
  uint64_t seed = 42;      // of what is generated
  RulerPreset preset = RulerPreset::official;
  TextTokens tokens = {};  // for generating

  std::string data = {};  // a folder with <length>/<task>.jsonl; empty: generate
  bool skip_bad = false;  // of such a file: count malformed lines instead of failing

  // Where they are null, what is built in or a package has brought is taken, if the task needs it.
  std::shared_ptr<const Prompts> prompts = {};
  std::shared_ptr<const Haystack> haystack = {};
  std::shared_ptr<const WordLists> words = {};
  std::string squad = {};   // qa_1: SQuAD's dev-v2.0.json
  std::string hotpot = {};  // qa_2: HotpotQA's hotpot_dev_distractor_v1.json
};

// Fields of a sample: "index", "outputs" (the answers); generated ones also "n_token" (prompt and
// answer prefix, as encoded with special tokens) and, where a single needle is hidden, "depth" (0
// to 100, of the text's units before it). Errors: usage (an unknown task, a length, number or file
// that cannot be), model (a file).
Result<std::unique_ptr<SampleSource>> ruler_samples(const RulerSamples& options);

}  // namespace restkv
