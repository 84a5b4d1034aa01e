#include "engine/rope_table.h"

#include <algorithm>

namespace restkv {
namespace {

// Rows [n][n_rot] of the pair (1, 0), turned to positions first ...
Status turned_units(const Model& model, Compute& compute, int64_t first, int64_t n, float* out) {
  const HParams& hp = model.hparams();
  const int64_t n_rot = hp.n_rot, d = hp.head_dim;
  const bool halves = model.rope().pairs == RopePairs::halves;
  std::vector<float> units(n * d, 0.0f);
  std::vector<int32_t> positions(n);
  for (int64_t i = 0; i < n; ++i) {
    positions[i] = static_cast<int32_t>(first + i);
    for (int64_t j = 0; j < n_rot / 2; ++j)
      units[i * d + (halves ? j : 2 * j)] = 1.0f;
  }
  return compute.run(16, [&](const GraphBuild& b) {
    const GraphContext g{b.ctx, hp};
    ggml_tensor* x = b.wrap(GGML_TYPE_F32, units.data(), d, 1, n);
    ggml_tensor* turned = model.rope().apply(g, x, b.wrap(GGML_TYPE_I32, positions.data(), n));
    ggml_tensor* part = ggml_view_2d(b.ctx, turned, n_rot, n, turned->nb[2], 0);
    b.expand(ggml_cpy(b.ctx, part, b.wrap(GGML_TYPE_F32, out, n_rot, n)));
  });
}

}  // namespace

Result<RopeTable> RopeTable::range(const Model& model, Compute& compute, int64_t first, int64_t n) {
  RopeTable table;
  table.n_rot_ = model.hparams().n_rot;
  table.pairs_ = model.rope().pairs;
  table.turns_.resize(n * table.n_rot_);
  RESTKV_RETURN_IF_ERROR(turned_units(model, compute, first, n, table.turns_.data()));
  return table;
}

Status RopeTable::grow(const Model& model, Compute& compute, int64_t n) {
  const int64_t have = size();
  if (n <= have) return {};
  const int64_t more = std::max<int64_t>(n - have, 256);
  RESTKV_ASSIGN_OR_RETURN(const RopeTable tail, range(model, compute, have, more));
  n_rot_ = tail.n_rot_;
  pairs_ = tail.pairs_;
  turns_.insert(turns_.end(), tail.turns_.begin(), tail.turns_.end());
  return {};
}

std::vector<float> RopeTable::mean() const {
  std::vector<double> sum(n_rot_, 0.0);
  for (size_t i = 0; i < turns_.size(); ++i)
    sum[i % n_rot_] += turns_[i];
  std::vector<float> mean(n_rot_);
  for (int64_t j = 0; j < n_rot_; ++j)
    mean[j] = static_cast<float>(sum[j] / static_cast<double>(size()));
  return mean;
}

void RopeTable::turn(const float* cos_sin, float* x) const {
  const int64_t half = n_rot_ / 2;
  if (pairs_ == RopePairs::halves) {
    for (int64_t j = 0; j < half; ++j) {
      const float c = cos_sin[j], s = cos_sin[half + j], a = x[j], b = x[half + j];
      x[j] = a * c - b * s;
      x[half + j] = a * s + b * c;
    }
    return;
  }
  for (int64_t j = 0; j < n_rot_; j += 2) {
    const float c = cos_sin[j], s = cos_sin[j + 1], a = x[j], b = x[j + 1];
    x[j] = a * c - b * s;
    x[j + 1] = a * s + b * c;
  }
}

}  // namespace restkv
