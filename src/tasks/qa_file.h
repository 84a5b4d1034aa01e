// Questions with the documents that answer them, from the files of SQuAD and HotpotQA.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "restkv/status.h"

namespace restkv {

struct QaQuestion {
  std::string text;
  std::vector<std::string> answers;
  std::vector<int64_t> gold = {};  // documents that it is about
  std::vector<int64_t> near = {};  // others of the same article
};

struct QaFile {
  std::vector<std::string> documents;  // title, newline, text; all different, sorted
  std::vector<QaQuestion> questions;   // in the file's order
};

// dev-v2.0.json: the questions that have an answer. Errors: model.
Result<QaFile> read_squad(const std::string& path);
// hotpot_dev_distractor_v1.json. Errors: model.
Result<QaFile> read_hotpot(const std::string& path);

}  // namespace restkv
