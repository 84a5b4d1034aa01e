// llama.cpp through libllama as the contender: the same file, tokens and number of threads, full
// cache, flash attention, batches of 2048 in chunks of 512, weights mapped: its defaults for a CPU.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "llama-cpp.h"
#include "restkv/status.h"
#include "restkv/tensor_view.h"

namespace restkv::bench {

class Libllama {
 public:
  // Errors: model (libllama refuses the file).
  static Result<std::unique_ptr<Libllama>> load(const std::string& path, int n_threads);

  // exact: K and V in F32 and no flash attention, as a reference for others.
  enum class Arithmetic { usual, exact };
  // An empty cache for n_ctx tokens; the one before is freed. Error: capacity.
  Status begin(int64_t n_ctx, Arithmetic arithmetic = Arithmetic::usual);
  void end() { context_.reset(); }

  // Tokens that follow. Errors: runtime.
  Status read(std::span<const int32_t> tokens);
  // The same with the logits of all of them, [n_row][n_vocab] of tokens first .. on at a time.
  using OnLogits = std::function<Status(int64_t first, TensorView<const float, 2> logits)>;
  Status read_all(std::span<const int32_t> tokens, const OnLogits& on_logits);
  // Of what follows the last token, [n_vocab]; valid until the next call.
  std::span<const float> logits() const;
  // Only the first n tokens stay in the cache. Error: runtime.
  Status keep_first(int64_t n);
  int32_t n_vocab() const { return llama_vocab_n_tokens(llama_model_get_vocab(model_.get())); }

 private:
  Status decode(const llama_batch& batch);
  explicit Libllama(int n_threads) : n_threads_(n_threads) {}

  int n_threads_;
  llama_model_ptr model_;
  llama_context_ptr context_;
};

}  // namespace restkv::bench
