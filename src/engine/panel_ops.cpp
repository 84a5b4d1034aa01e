#include "engine/panel_ops.h"

#include <array>

#include "kernels/dispatch.h"

namespace restkv {
namespace {

// Rows of a thread, in one piece.
template <typename Step>
void each_row(int64_t n_row, int thread, int n_thread, const Step& step) {
  for (int64_t i = n_row * thread / n_thread; i < n_row * (thread + 1) / n_thread; ++i)
    step(i);
}

uint16_t* bf16_row(ggml_tensor* t, int64_t row) {
  return static_cast<uint16_t*>(t->data) + row * t->ne[0];
}

}  // namespace

ggml_tensor* PanelOps::norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) const {
  const float eps = g.hparams.rms_eps;
  const int64_t n_row = n_row_, n = x->ne[0];
  return build_.node(GGML_TYPE_BF16, n, pad_panel_rows(n_row), 1, std::array{x, weight},
                     [=](ggml_tensor* dst, int thread, int n_thread) {
                       const auto norm = kernels::best_kernels().layer_rows->rms_norm;
                       each_row(n_row, thread, n_thread, [&](int64_t i) {
                         const auto* row = static_cast<const std::byte*>(x->data) + i * x->nb[1];
                         kernels::Row from;
                         if (x->type == GGML_TYPE_F32) {
                           from.f32 = reinterpret_cast<const float*>(row);
                         } else {
                           from.bf16 = reinterpret_cast<const uint16_t*>(row);
                         }
                         norm(from, static_cast<const float*>(weight->data), eps, n,
                              bf16_row(dst, i));
                       });
                     });
}

Qkv PanelOps::project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                          bool wants_queries) const {
  const HParams& hp = g.hparams;
  const std::array<const Linear*, 3> parts{&w.q, &w.k, &w.v};
  ggml_tensor* all =
      products_.add(build_, std::span(parts).subspan(wants_queries ? 0 : 1), x, n_row_, nullptr);
  int64_t column = 0;
  const auto heads = [&](const Linear& part, int64_t n_head) {
    const int64_t first = column;
    column += part.n_out();
    return ggml_view_3d(g.ctx, all, hp.head_dim, n_head, n_row_, hp.head_dim * sizeof(float),
                        all->nb[1], first * sizeof(float));
  };
  ggml_tensor* q = wants_queries ? heads(w.q, hp.n_head) : nullptr;
  ggml_tensor* k = heads(w.k, hp.n_head_kv);
  return {q, k, heads(w.v, hp.n_head_kv)};
}

ggml_tensor* PanelOps::add_linear(const GraphContext&, const Linear& w, ggml_tensor* x,
                                  ggml_tensor* residual) const {
  const Linear* part = &w;
  return products_.add(build_, {&part, 1}, rows_to_bf16(x), n_row_, residual);
}

ggml_tensor* PanelOps::gated(const GraphContext&, const LayerWeights& w, ggml_tensor* x,
                             GatedUnit unit) const {
  return products_.gate(
      build_, w.gate, w.up, x, n_row_,
      unit == GatedUnit::swiglu ? kernels::Activation::silu : kernels::Activation::gelu);
}

ggml_tensor* PanelOps::rows_to_bf16(ggml_tensor* x) const {
  if (x->type == GGML_TYPE_BF16) return x;
  const int64_t n_row = n_row_, n = x->ne[0];
  return build_.node(GGML_TYPE_BF16, n, pad_panel_rows(n_row), 1, std::array{x},
                     [=](ggml_tensor* dst, int thread, int n_thread) {
                       const auto round = kernels::best_kernels().dequant->floats_to_bf16;
                       each_row(n_row, thread, n_thread, [&](int64_t i) {
                         const auto* row = static_cast<const std::byte*>(x->data) + i * x->nb[1];
                         round(reinterpret_cast<const float*>(row), n, bf16_row(dst, i));
                       });
                     });
}

}  // namespace restkv
