// How far the predictions of variants are from the full cache's, token by token.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/continuation.h"
#include "eval/measure.h"

namespace restkv {

class Divergences {
 public:
  explicit Divergences(size_t n_variant) : kl_(n_variant), same_top_(n_variant) {}

  // Logits of one token's place [n_vocab], the full cache's and a variant's, and the logs of the
  // sums of their exponentials.
  void add(std::span<const float> reference, double reference_sum, std::span<const float> logits,
           double sum, size_t variant);

  // The share of tokens in whose place both find the same token likeliest; others: "kl", "kl_p99",
  // "nll", "nll_change", "kl_by_token", "nll_by_token" (likelihood.h).
  SampleScore score(size_t variant, std::span<const TokenScore> tokens,
                    std::span<const TokenScore> full) const;

 private:
  std::vector<std::vector<double>> kl_;  // [n_variant][n_token]
  std::vector<int64_t> same_top_;        // [n_variant]
};

}  // namespace restkv
