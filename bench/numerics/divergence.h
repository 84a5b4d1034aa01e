// How far predictions of the next token lie from a reference, position by position.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/numerics/temp_file.h"
#include "restkv/tensor_view.h"

namespace restkv::bench {

using LogitRows = TensorView<const float, 2>;  // [n_row][n_vocab]

// The logits behind every token of a text, in a temporary file.
class ReferenceLogits {
 public:
  // Errors: as TempFile::create().
  static Result<std::unique_ptr<ReferenceLogits>> create(std::vector<int32_t> tokens,
                                                         int64_t n_vocab, int n_threads);

  // The rows of tokens first .. on. REQUIRES: every row is set once before anything is compared.
  void set(int64_t first, LogitRows rows);

  std::span<const int32_t> tokens() const { return tokens_; }
  int n_threads() const { return n_threads_; }
  std::span<const float> row(int64_t i) const {
    return {data() + i * n_vocab_, static_cast<size_t>(n_vocab_)};
  }
  double log_sum(int64_t i) const { return log_sums_[i]; }
  // Nats a token, of tokens first + 1 .. on.
  double mean_nll(int64_t first) const;

 private:
  ReferenceLogits(std::unique_ptr<TempFile> file, std::vector<int32_t> tokens, int64_t n_vocab,
                  int n_threads)
      : file_(std::move(file)),
        tokens_(std::move(tokens)),
        n_vocab_(n_vocab),
        n_threads_(n_threads),
        log_sums_(tokens_.size()) {}
  float* data() const { return reinterpret_cast<float*>(file_->data()); }

  std::unique_ptr<TempFile> file_;  // float [n_token][n_vocab]
  std::vector<int32_t> tokens_;
  int64_t n_vocab_;
  int n_threads_;
  std::vector<double> log_sums_;  // [n_token]
};

// What one contender comes to.
struct Divergence {
  // Kullback-Leibler divergence of the contender's prediction from the reference's, nats.
  double mean_kl = 0, p99_kl = 0, max_kl = 0;
  double same_top = 0;       // share of positions with the same likeliest token
  double nll = 0;            // nats a token, of the text itself
  std::vector<double> kl{};  // [n_row]
};

// Takes a contender's logits of tokens first .. on, block by block, and holds none of them.
class Comparison {
 public:
  Comparison(const ReferenceLogits& reference, int64_t first);

  // The rows that follow. REQUIRES: no more rows than tokens.
  void add(LogitRows rows);
  // Errors: runtime (rows are missing), model (logits that are no numbers).
  Result<Divergence> finish();

 private:
  void compare(int64_t row, std::span<const float> logits);

  const ReferenceLogits& reference_;
  const int64_t first_, n_row_;
  int64_t n_done_ = 0;
  std::vector<double> kl_, nll_;  // [n_row]
  std::vector<char> same_top_;    // [n_row]
};

}  // namespace restkv::bench
