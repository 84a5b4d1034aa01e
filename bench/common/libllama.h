// llama.cpp through libllama as the contender: the same file, tokens and number of threads, full
// cache, flash attention, batches of 2048 in chunks of 512, weights mapped: its defaults for a CPU.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "llama-cpp.h"
#include "restkv/status.h"

namespace restkv::bench {

class Libllama {
 public:
  // Errors: model (libllama refuses the file).
  static Result<std::unique_ptr<Libllama>> load(const std::string& path, int n_threads);

  // An empty cache for n_ctx tokens; the one before is freed. Error: capacity.
  Status begin(int64_t n_ctx);
  void end() { context_.reset(); }

  // Tokens that follow. Errors: runtime.
  Status read(std::span<const int32_t> tokens);
  // Of what follows the last token, [n_vocab]; valid until the next call.
  std::span<const float> logits() const;
  // Only the first n tokens stay in the cache. Error: runtime.
  Status keep_first(int64_t n);

 private:
  explicit Libllama(int n_threads) : n_threads_(n_threads) {}

  int n_threads_;
  llama_model_ptr model_;
  llama_context_ptr context_;
};

}  // namespace restkv::bench
