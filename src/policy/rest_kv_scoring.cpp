#include "policy/rest_kv_scoring.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "kernels/dispatch.h"
#include "policy/drift.h"

namespace restkv {
namespace {

using Indicator = RestKvIndicator;

// Entries that one thread takes at a time behind the fold.
constexpr int64_t kRange = 512;

RowsView part_of(RowsView rows, int64_t first, int64_t count) {
  const size_t offset = static_cast<size_t>(first * rows.row_stride) * element_size(rows.type);
  rows.data = static_cast<const std::byte*>(rows.data) + offset;
  rows.n_row = count;
  return rows;
}

// x = R x. Row r of R_h starts at column r, so that x[r] is not needed any more once it is written.
void project_in_place(const float* r_h, int64_t d, float* x) {
  for (int64_t r = 0; r < d; ++r) {
    double sum = 0.0;
    for (int64_t c = r; c < d; ++c)
      sum += static_cast<double>(r_h[r * d + c]) * x[c];
    x[r] = static_cast<float>(sum);
  }
}

float length(const float* x, int64_t d) {
  double sum = 0.0;
  for (int64_t c = 0; c < d; ++c)
    sum += static_cast<double>(x[c]) * x[c];
  return static_cast<float>(std::sqrt(sum));
}

// What is asked of one group, step by step; each step is split over threads by the caller.
class GroupScoring {
 public:
  GroupScoring(const RestKvSettings& settings, std::span<const float> factors, int64_t n_slice,
               const Observation& group, GroupScores* scores)
      : settings_(settings),
        group_(group),
        scores_(*scores),
        attention_(*kernels::best_kernels().window_attention),
        reconstruction_(*kernels::best_kernels().reconstruction),
        n_head_(group.queries.shape[0]),
        n_past_(group.n_past()),
        d_(group.keys.n_col),
        fold_(factors, n_slice, n_head_, n_past_) {
    if (settings.adaptive()) {
      const int64_t n_top = group.context.budget - group.context.window;
      drift_.emplace(n_head_, group.queries.shape[1], group.n_entry(),
                     std::min(n_top, group.n_entry()));
    }
    if (settings.needs_output()) outputs_.resize(n_range() * n_head_ * d_);
    scores_ = {};
    scores_.n_scored = n_past_;
    scores_.raw.resize(n_head_ * n_past_);
  }

  int64_t n_range() const { return (n_past_ + kRange - 1) / kRange; }

  // A slice of the window.
  void add(int64_t slice, const RowBlock& block) {
    if (drift_) drift_->add(block);  // before the weights become scores
    if (settings_.scores_rows()) score_rows(block);
    fold_.add(slice, block);
  }

  // The folded attention of a range, and its part of o = sum over the past of m v, which is not
  // renormalised.
  void merge(int64_t range) {
    const int64_t first = range * kRange, count = std::min(kRange, n_past_ - first);
    fold_.merge(first, count);
    if (!settings_.needs_output()) return;
    std::vector<float> scratch(kernels::scratch_floats(d_));
    attention_.attention_output({fold_.data() + first, fold_.stride(), n_head_,
                                 part_of(group_.values, first, count), count,
                                 outputs_.data() + range * n_head_ * d_, scratch.data()});
  }

  // R_h o of all heads; o alone without projection, and zero where lengths are asked for.
  void project_output() {
    projected_.assign(n_head_ * d_, 0.0f);
    if (!settings_.needs_output()) return;
    for (int64_t i = 0; i < n_head_ * d_; ++i) {
      double sum = 0.0;
      for (int64_t range = 0; range < n_range(); ++range)
        sum += outputs_[range * n_head_ * d_ + i];
      projected_[i] = static_cast<float>(sum);
    }
    for (int64_t h = 0; settings_.use_projection && h < n_head_; ++h)
      project_in_place(factor(h), d_, projected_.data() + h * d_);
  }

  // The scores of a range.
  void score(int64_t range) {
    const int64_t first = range * kRange, count = std::min(kRange, n_past_ - first);
    const std::vector<float> distances = distances_of(first, count);
    for (int64_t h = 0; h < n_head_; ++h) {
      const float* folded = fold_.row(h).data() + first;
      const float* distance = distances.empty() ? nullptr : distances.data() + h * kRange;
      score_entries(folded, distance, count, scores_.raw.data() + h * n_past_ + first);
    }
  }

  void describe_smoothing() {
    scores_.smoothing.assign(n_head_, {settings_.spatial, settings_.kernel, 0});
    for (int64_t h = 0; drift_ && h < n_head_; ++h) {
      scores_.smoothing[h] =
          adaptive_smoothing(drift_->quotient(h, settings_.beta), settings_.kernel);
      scores_.drift.push_back(drift_->mean_shift(h));
    }
  }

 private:
  const float* factor(int64_t head) const {
    return settings_.use_projection ? group_.wo_factor.row(head, 0) : nullptr;
  }

  // Mode "before": the block's attention weights become scores. o_t is the full output, over the
  // window's entries as well.
  void score_rows(const RowBlock& block) const {
    std::vector<float> outputs(block.n_row * d_), scratch(kernels::scratch_floats(d_));
    attention_.attention_output({block.weights, block.stride, block.n_row, group_.values,
                                 group_.n_entry(), outputs.data(), scratch.data()});
    std::vector<float> divisors(block.n_row, 1.0f);
    for (int64_t t = 0; t < block.n_row; ++t) {
      float* output = outputs.data() + t * d_;
      if (settings_.use_projection) project_in_place(factor(block.head), d_, output);
      if (settings_.use_norm) divisors[t] = length(output, d_);
    }
    reconstruction_.score_rows({outputs.data(), factor(block.head), divisors.data(), block.n_row,
                                group_.values, n_past_, block.weights, block.stride,
                                scratch.data()});
  }

  // [n_head][kRange] lengths of R_h (o_h - v_j), or of v_j; empty where the fold is the score.
  std::vector<float> distances_of(int64_t first, int64_t count) const {
    if (!settings_.needs_values_behind()) return {};
    std::vector<float> distances(n_head_ * kRange), scratch(kernels::scratch_floats(d_));
    reconstruction_.distance({projected_.data(), settings_.needs_output() ? factor(0) : nullptr,
                              n_head_, part_of(group_.values, first, count), count,
                              distances.data(), kRange, scratch.data()});
    return distances;
  }

  // Mode "after": m / (1 - m) * |R_h (o - v)|^tau; the ablations: m, or m |v|.
  void score_entries(const float* folded, const float* distance, int64_t n, float* out) const {
    if (distance == nullptr) {
      std::copy_n(folded, n, out);
    } else if (settings_.indicator == Indicator::attention_value) {
      for (int64_t j = 0; j < n; ++j)
        out[j] = folded[j] * distance[j];
    } else if (settings_.use_projection && settings_.tau != 1.0) {
      for (int64_t j = 0; j < n; ++j) {
        const double length = std::pow(distance[j], settings_.tau);
        out[j] = kernels::odds(folded[j]) * static_cast<float>(length);
      }
    } else {
      for (int64_t j = 0; j < n; ++j)
        out[j] = kernels::odds(folded[j]) * distance[j];
    }
  }

  const RestKvSettings& settings_;
  const Observation& group_;
  GroupScores& scores_;
  const kernels::WindowAttentionKernels& attention_;
  const kernels::ReconstructionKernels& reconstruction_;
  int64_t n_head_, n_past_, d_;
  RowFold fold_;
  std::optional<Drift> drift_;
  std::vector<float> outputs_;    // [n_range][n_head][head_dim]
  std::vector<float> projected_;  // [n_head][head_dim]
};

// Calls step(group, range) for all ranges of all groups.
template <typename Step>
void for_each_range(std::span<const std::unique_ptr<GroupScoring>> groups, Workers& workers,
                    const Step& step) {
  std::vector<std::pair<GroupScoring*, int64_t>> pieces;
  for (const auto& group : groups) {
    for (int64_t range = 0; range < group->n_range(); ++range)
      pieces.emplace_back(group.get(), range);
  }
  workers.for_each(static_cast<int64_t>(pieces.size()),
                   [&](int64_t i, int) { step(*pieces[i].first, pieces[i].second); });
}

void score_all(const RestKvSettings& settings, std::span<const Observation> groups,
               Workers& workers, std::span<GroupScores> scores) {
  const int64_t n_query = groups[0].queries.shape[1];
  // The last query alone needs no other rows, unless the drift is wanted.
  const bool all_rows = settings.temporal != Fold::last || settings.adaptive();
  const WindowSlices slices(groups, all_rows ? 0 : n_query - 1);
  const std::vector<float> factors = fold_factors(settings.temporal, settings.alpha, n_query);
  std::vector<std::unique_ptr<GroupScoring>> scorings;
  for (size_t g = 0; g < groups.size(); ++g)
    scorings.push_back(
        std::make_unique<GroupScoring>(settings, factors, slices.count(), groups[g], &scores[g]));
  for_each_slice(groups, slices, workers,
                 [&](const SliceRows& rows) { scorings[rows.group]->add(rows.slice, rows.block); });
  for_each_range(scorings, workers, [](GroupScoring& group, int64_t r) { group.merge(r); });
  for (const auto& scoring : scorings)
    scoring->project_output();
  for_each_range(scorings, workers, [](GroupScoring& group, int64_t r) { group.score(r); });
  for (const auto& scoring : scorings)
    scoring->describe_smoothing();
}

}  // namespace

Status score_rest_kv(const RestKvSettings& settings, std::span<const Observation> groups,
                     Workers& workers, std::span<GroupScores> scores) {
  try {
    score_all(settings, groups, workers, scores);
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for the attention of the observation window");
  }
  return {};
}

}  // namespace restkv
