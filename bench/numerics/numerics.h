// How far the kernels' predictions are from exact arithmetic on the same weights. See README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/numerics/divergence.h"

namespace restkv::bench {

struct NumericsTask {
  std::string model{};  // path
  int n_threads = 1;
  std::string text{};    // empty: the ledger
  int64_t n_token = 0;   // of the text, at least 2
  int64_t n_decode = 0;  // the last of them, decoded one by one as well; 0 or 2 .. n_token - 1
  std::function<void(const std::string&)> on_step{};  // what is being done now
};

struct NumericsRow {
  std::string contender{};  // libllama, restkv ggml, restkv auto
  std::string phase{};      // read: all tokens; decode: the last n_decode, token by token
  int64_t n_token = 0;
  Divergence divergence{};
  double reference_nll = 0;
  // Of the mean KL to that of libllama in the same phase, and its standard error over the
  // positions.
  double ratio = 0, ratio_error = 0;
};

// Errors: usage (a text that is too short), those of write_float_model(), Libllama, Model::load(),
// prefill() and decode().
Result<std::vector<NumericsRow>> run_numerics(const NumericsTask& task);

}  // namespace restkv::bench
