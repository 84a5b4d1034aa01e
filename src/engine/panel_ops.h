// The steps of a layer for a chunk of prompt rows, in bf16 between them (LayerOps): see
// panel_products.h.
#pragma once

#include "engine/panel_products.h"

namespace restkv {

// Of one graph with n_row rows; x may be float or bf16.
class PanelOps : public LayerOps {
 public:
  PanelOps(const GraphBuild& build, PanelProducts& products, int64_t n_row)
      : build_(build), products_(products), n_row_(n_row) {}

  ggml_tensor* norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) const override;
  Qkv project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                  bool wants_queries) const override;
  // x: float [n_row][n_in], or bf16 with padded rows.
  ggml_tensor* add_linear(const GraphContext& g, const Linear& w, ggml_tensor* x,
                          ggml_tensor* residual) const override;
  ggml_tensor* gated(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                     GatedUnit unit) const override;

 private:
  ggml_tensor* rows_to_bf16(ggml_tensor* x) const;

  const GraphBuild& build_;
  PanelProducts& products_;
  int64_t n_row_;
};

}  // namespace restkv
