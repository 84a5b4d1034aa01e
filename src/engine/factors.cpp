#include "engine/factors.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "restkv/policy.h"

namespace restkv {
namespace {

constexpr size_t kMaxKeptBytes = size_t{32} << 20;

size_t layer_floats(const HParams& hp) {
  return size_t{hp.n_head} * hp.head_dim * hp.head_dim;
}

std::vector<float> build(const Model& model, int32_t layer, Workers& workers) {
  const HParams& hp = model.hparams();
  const std::string name = "blk." + std::to_string(layer) + ".attn_output.weight";
  const int64_t d = hp.head_dim, n_head = hp.n_head, n_embd = hp.n_embd;
  // As many heads at a time as quantised blocks are wide: no float copy of the matrix exists.
  const int64_t n_once = std::lcm(d, ggml_blck_size(model.weights().plain(name)->type)) / d;
  std::vector<float> factors(layer_floats(hp));
  std::vector<std::vector<float>> panels(workers.n_threads());
  workers.for_each((n_head + n_once - 1) / n_once, [&](int64_t i, int thread) {
    const int64_t first = i * n_once, count = std::min(n_once, n_head - first);
    std::vector<float>& panel = panels[thread];  // [n_embd][count][head_dim]
    panel.resize(n_embd * count * d);
    model.weights().dequantize_columns(name, first * d, count * d, panel.data());
    for (int64_t h = 0; h < count; ++h) {
      projection_factor(panel.data() + h * d, n_embd, d, count * d,
                        factors.data() + (first + h) * d * d);
    }
  });
  return factors;
}

bool keeps_all(const HParams& hp) {
  return layer_floats(hp) * hp.n_layer * sizeof(float) <= kMaxKeptBytes;
}

}  // namespace

LayerMemo::Floats projection_factors(const Model& model, int32_t layer, Workers& workers) {
  const HParams& hp = model.hparams();
  LayerMemo& memo = model.projection_factors();
  if (LayerMemo::Floats known = memo.find(layer)) return known;
  auto built = std::make_shared<const std::vector<float>>(build(model, layer, workers));
  if (keeps_all(hp)) memo.keep(layer, built);
  return built;
}

size_t projection_factor_bytes(const HParams& hp, int n_threads) {
  // Columns that a thread dequantises at once: a block's, or a head's where that is wider.
  const size_t n_column = std::max(size_t{256}, size_t{hp.head_dim});
  return sizeof(float) *
         (layer_floats(hp) * (keeps_all(hp) ? hp.n_layer : 1) + n_threads * n_column * hp.n_embd);
}

}  // namespace restkv
