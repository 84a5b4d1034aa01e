#include "engine/chunks.h"

#include <algorithm>

#include "products/bf16_product.h"

namespace restkv {
namespace {

constexpr int64_t kGgmlChunk = 512;
constexpr int64_t kMinPanelRows = 9;
constexpr int64_t kMinPanelSlots = 16;
constexpr int64_t kMaxPanelChunk = 2048;
// Bytes of a chunk's activations for one weight of the layer.
constexpr double kChunkShare = 0.8;

}  // namespace

bool reads_in_panels(int64_t n_token, Kernels kernels) {
  return kernels == Kernels::automatic && n_token >= kMinPanelRows && has_bf16_product();
}

bool decodes_in_panels(int64_t n_slot, Kernels kernels) {
  return n_slot >= kMinPanelSlots && reads_in_panels(n_slot, kernels);
}

size_t activation_bytes(const HParams& hp) {
  const size_t head_rows = size_t{hp.n_head} * hp.head_dim,
               kv_rows = size_t{hp.n_head_kv} * hp.head_dim;
  // Floats of q, k, v before and after RoPE and what attention gives; or the residual in float, a
  // norm and the gated hidden rows in bf16.
  const size_t attention = sizeof(float) * (3 * head_rows + 3 * kv_rows);
  const size_t ffn = sizeof(float) * hp.n_embd + 2 * (size_t{hp.n_embd} + hp.n_ff);
  return std::max(attention, ffn);
}

int64_t layer_weights(const HParams& hp) {
  const int64_t head_rows = int64_t{hp.n_head} * hp.head_dim,
                kv_rows = int64_t{hp.n_head_kv} * hp.head_dim;
  return int64_t{hp.n_embd} * (2 * (head_rows + kv_rows) + 3 * int64_t{hp.n_ff});
}

int64_t chunk_rows(const HParams& hp, int64_t n_token, Kernels kernels) {
  if (!reads_in_panels(n_token, kernels)) return kGgmlChunk;
  const auto n_weight = static_cast<double>(layer_weights(hp));
  const double bytes = static_cast<double>(activation_bytes(hp));
  const int64_t rows = static_cast<int64_t>(n_weight * kChunkShare / bytes) / 128 * 128;
  return std::clamp(rows, kGgmlChunk, kMaxPanelChunk);
}

}  // namespace restkv
