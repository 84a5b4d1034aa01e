// One answer: tokens drawn one by one after a prompt that a session has read, until the model, a
// stop string or a limit ends it.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "engine/session.h"

namespace restkv {

struct AnswerOptions {
  int64_t n_predict = 512;  // tokens at most; -1: until the model stops or n_ctx is full
  int64_t n_ctx = 0;        // tokens of everything read and answered so far; 0: no limit
  std::vector<std::string> stop{};
  bool ignore_eos = false;
  // Text as it becomes certain (a possible beginning of a stop string is held back).
  std::function<void(std::string_view)> on_text{};
};

struct AnswerResult {
  std::string text;
  std::vector<int32_t> tokens;
  std::string finish_reason;  // stop, length, interrupted
  int64_t decode_steps = 0;   // the first so many tokens are in the session's cache
  double first_token_ms = 0;  // since `start`
  double decode_ms = 0;       // of the steps
  // The same by the thousand tokens, so that a slow-down over a long answer shows.
  std::vector<double> decode_ms_by_1000;
};

// `start`: when the wait for the first token began. Errors: as Session::decode(). An interruption
// is no error: the result then holds what was generated so far.
Result<AnswerResult> answer(const Model& model, const Compute& compute,
                            const AnswerOptions& options, Session* session, Sampler* sampler,
                            std::chrono::steady_clock::time_point start);

}  // namespace restkv
