#include "bench/numerics/divergence.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/log_sum_exp.h"
#include "core/parallel.h"

namespace restkv::bench {
namespace {

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

int64_t top_of(std::span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

}  // namespace

Result<std::unique_ptr<ReferenceLogits>> ReferenceLogits::create(std::vector<int32_t> tokens,
                                                                 int64_t n_vocab, int n_threads) {
  const size_t n = tokens.size() * static_cast<size_t>(n_vocab);
  RESTKV_ASSIGN_OR_RETURN(std::unique_ptr<TempFile> file, TempFile::create(n * sizeof(float)));
  return std::unique_ptr<ReferenceLogits>(
      new ReferenceLogits(std::move(file), std::move(tokens), n_vocab, n_threads));
}

void ReferenceLogits::set(int64_t first, LogitRows rows) {
  std::memcpy(data() + first * n_vocab_, rows.data, rows.size() * sizeof(float));
  parallel_for(n_threads_, rows.shape[0],
               [&](int64_t i) { log_sums_[first + i] = log_sum_exp(row(first + i)); });
}

double ReferenceLogits::mean_nll(int64_t first) const {
  std::vector<double> nll;
  for (size_t i = first; i + 1 < tokens_.size(); ++i)
    nll.push_back(log_sums_[i] - row(static_cast<int64_t>(i))[tokens_[i + 1]]);
  return mean(nll);
}

Comparison::Comparison(const ReferenceLogits& reference, int64_t first)
    : reference_(reference),
      first_(first),
      n_row_(static_cast<int64_t>(reference.tokens().size()) - first),
      kl_(n_row_),
      nll_(n_row_),
      same_top_(n_row_) {}

void Comparison::add(LogitRows rows) {
  parallel_for(reference_.n_threads(), rows.shape[0], [&](int64_t i) {
    compare(n_done_ + i, {rows.row(i), static_cast<size_t>(rows.shape[1])});
  });
  n_done_ += rows.shape[0];
}

void Comparison::compare(int64_t row, std::span<const float> logits) {
  const int64_t position = first_ + row;
  const std::span<const float> exact = reference_.row(position);
  const double exact_sum = reference_.log_sum(position), sum = log_sum_exp(logits);
  double kl = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = exact[i] - exact_sum;
    kl += std::exp(p) * (p - (logits[i] - sum));
  }
  kl_[row] = kl;
  same_top_[row] = top_of(exact) == top_of(logits);
  const auto next = static_cast<size_t>(position + 1);
  if (next < reference_.tokens().size()) nll_[row] = sum - logits[reference_.tokens()[next]];
}

Result<Divergence> Comparison::finish() {
  if (n_done_ != n_row_) {
    return Status::runtime(std::to_string(n_done_) + " rows of logits came, " +
                           std::to_string(n_row_) + " were due");
  }
  std::vector<double> sorted = kl_;
  std::sort(sorted.begin(), sorted.end());
  Divergence result{.mean_kl = mean(kl_),
                    .p99_kl = sorted[static_cast<size_t>(0.99 * static_cast<double>(n_row_ - 1))],
                    .max_kl = sorted.back()};
  if (!std::isfinite(result.mean_kl)) return Status::model("logits are no numbers");
  result.same_top = static_cast<double>(std::count(same_top_.begin(), same_top_.end(), 1)) /
                    static_cast<double>(n_row_);
  // The last row predicts what the text does not hold.
  result.nll = mean(std::span(nll_).first(n_row_ - 1));
  result.kl = std::move(kl_);
  return result;
}

}  // namespace restkv::bench
