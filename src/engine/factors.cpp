#include "engine/factors.h"

#include <string>

#include "core/parallel.h"
#include "restkv/policy.h"

namespace restkv {
namespace {

constexpr size_t kMaxKeptBytes = size_t{64} << 20;

size_t layer_floats(const HParams& hp) {
  return size_t{hp.n_head} * hp.head_dim * hp.head_dim;
}

void build(const Model& model, int32_t layer, int n_threads, std::vector<float>* factors) {
  const HParams& hp = model.hparams();
  const int64_t d = hp.head_dim;
  const std::vector<float> wo =
      model.weights().dequantize("blk." + std::to_string(layer) + ".attn_output.weight");
  factors->resize(layer_floats(hp));
  parallel_for(n_threads, hp.n_head, [&](int64_t h) {
    projection_factor(wo.data() + h * d, hp.n_embd, d, d * hp.n_head, factors->data() + h * d * d);
  });
}

}  // namespace

ProjectionFactors::ProjectionFactors(const Model& model, bool keep) : model_(model) {
  const HParams& hp = model.hparams();
  const bool small = layer_floats(hp) * hp.n_layer * sizeof(float) <= kMaxKeptBytes;
  kept_.resize(keep && small ? hp.n_layer : 1);
}

TensorView<const float, 3> ProjectionFactors::layer(int32_t layer, int n_threads) {
  const bool keeps = kept_.size() > 1;
  std::vector<float>& factors = kept_[keeps ? layer : 0];
  if (!keeps || factors.empty()) build(model_, layer, n_threads, &factors);
  const HParams& hp = model_.hparams();
  return {factors.data(), {hp.n_head, hp.head_dim, hp.head_dim}};
}

}  // namespace restkv
