#include "eval/divergences.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/likeliest.h"

namespace restkv {

void Divergences::add(std::span<const float> reference, double reference_sum,
                      std::span<const float> logits, double sum, size_t variant) {
  double kl = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double log_p = reference[i] - reference_sum;
    kl += std::exp(log_p) * (log_p - (logits[i] - sum));
  }
  kl_[variant].push_back(std::max(kl, 0.0));
  same_top_[variant] += likeliest(reference) == likeliest(logits) ? 1 : 0;
}

SampleScore Divergences::score(size_t variant, std::span<const TokenScore> tokens,
                               std::span<const TokenScore> full) const {
  const auto n = static_cast<double>(tokens.size());
  std::vector<double> kl = kl_[variant], kl_by_token, nll_by_token;
  for (size_t i = 0; i < tokens.size(); ++i) {
    kl_by_token.push_back(rounded(kl[i]));
    nll_by_token.push_back(rounded(tokens[i].nll));
  }
  SampleScore score;
  score.value = same_top_[variant] / n;
  score.others["kl"] = rounded(std::accumulate(kl.begin(), kl.end(), 0.0) / n);
  std::ranges::sort(kl);
  score.others["kl_p99"] = rounded(kl[static_cast<size_t>(0.99 * (n - 1) + 0.5)]);
  score.others["nll"] = rounded(nll_of(tokens) / n);
  score.others["nll_change"] = rounded((nll_of(tokens) - nll_of(full)) / n);
  score.others["kl_by_token"] = std::move(kl_by_token);
  score.others["nll_by_token"] = std::move(nll_by_token);
  return score;
}

}  // namespace restkv
