// A conversation about a synthetic repository, in three turns: which file defines a function, what
// its signature is, and that it be changed. The first prompt holds the repository.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "restkv/status.h"
#include "tasks/source.h"
#include "tasks/turn.h"

namespace restkv {

inline constexpr const char* kRepositoryTask = "repository";

struct RepositorySamples {
  int64_t n = 0;           // samples
  int64_t length = 0;      // tokens of the first prompt and its chat form
  int64_t n_template = 0;  // of the chat form
  uint64_t seed = 42;
  bool chat = false;  // questions for the chat style
  TextTokens tokens;
};

// Fields: "function", "path", "signature", "added" (what the changed function returns more),
// "test" (a program to be run behind the answer to the last turn), "depth" (of the function,
// 0..100). Errors: usage (numbers), capacity (a length that holds no repository, or more than the
// longest).
Result<std::unique_ptr<SampleSource>> repository_samples(const RepositorySamples& options);

// The turns of such a sample. Error: model (it is none).
Result<std::vector<Turn>> repository_turns(const Sample& sample, bool chat);

// Whether a path or a signature is in an answer, white space and quotes apart.
bool names_path(const std::string& answer, const std::string& path);
bool names_signature(const std::string& answer, const std::string& signature);

}  // namespace restkv
