// The steps of a layer for the few vectors of a decoding step, by kernels that read quantised
// weights where they lie in the file (kernels/quant_matvec.h). A node costs as much as some ten
// thousand weights, so norms and activations belong to the node that needs them: five nodes a
// layer.
//
// Thread safety: one graph at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/compute.h"
#include "kernels/quant_matvec.h"
#include "model/graph_blocks.h"

namespace restkv {

class MatvecOps : public LayerOps {
 public:
  // Whether it is faster than ggml on this CPU.
  static bool available();
  // Vectors that share one pass over the weights; more of them take more passes.
  static constexpr int64_t kMaxVectors = kernels::kMaxVectors;

  // Of one graph with n_vector vectors.
  MatvecOps(const GraphBuild& build, int64_t n_vector) : build_(build), n_vector_(n_vector) {}

  ggml_tensor* norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) const override;
  Qkv project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                  bool wants_queries) const override;
  ggml_tensor* add_linear(const GraphContext& g, const Linear& w, ggml_tensor* x,
                          ggml_tensor* residual) const override;
  ggml_tensor* gated(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                     GatedUnit unit) const override;

 private:
  // A vector that is still to be normed and rounded, by every thread of the node that needs it.
  struct Input {
    ggml_tensor* x = nullptr;
    ggml_tensor* norm = nullptr;  // its weight, or nullptr
    bool rounded = false;         // x holds Activations already
    float eps = 0;
    int64_t k = 0;
  };
  struct Vectors;

  Input input(const GraphContext& g, ggml_tensor* x, int64_t k) const;
  ggml_tensor* plain(const GraphContext& g, const Input& in) const;
  ggml_tensor* multiply(const Input& in, std::span<const Linear* const> parts,
                        ggml_tensor* residual) const;
  std::shared_ptr<Vectors> vectors(const Input& in, bool quantized) const;

  const GraphBuild& build_;
  const int64_t n_vector_;
  mutable std::unordered_map<const ggml_tensor*, Input> pending_;
};

}  // namespace restkv
