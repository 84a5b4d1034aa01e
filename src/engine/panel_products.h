// Products of a prompt chunk's rows with a layer's matrices: panels of weights are dequantised to
// bf16 once a chunk and multiplied by oneDNN, as pairs of nodes (dequantise, multiply) in a graph.
// Worth it from some ten rows on (chunks.h).
//
// Thread safety: one graph at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/compute.h"
#include "kernels/layer_rows.h"
#include "model/graph_blocks.h"
#include "products/bf16_product.h"

namespace restkv {

// Rows of bf16 tensors are allocated in multiples of this: code is generated for so many at once.
constexpr int64_t pad_panel_rows(int64_t n_row) {
  return (n_row + 15) / 16 * 16;
}

class PanelProducts {
 public:
  // Whether this build and CPU have them at all.
  static bool available() { return has_bf16_product(); }
  // What the panels and the threads' buffers take at most for a model.
  static size_t workspace_bytes(const HParams& hparams, int n_threads);

  // Packed panels that exist at once, unless a single one is larger.
  static constexpr size_t kGroupBytes = size_t{8} << 20;

  // Panels and the threads' buffers lie in the workers' memory, which is the products' from the
  // making of a graph until it has run.
  explicit PanelProducts(Workers& workers, size_t group_bytes = kGroupBytes);
  ~PanelProducts();

  // Nodes that the products of one layer with so many weights add to a graph, generously.
  size_t count_nodes(int64_t n_weight) const;

  // x [n_row][n_in] times the rows of all parts side by side: float [n_row][sum of n_out], biases
  // added, and residual [n_row][sum of n_out] (float or bf16) unless it is nullptr. x is bf16 with
  // pad_panel_rows(n_row) rows. A residual of floats is overwritten: it becomes the result.
  ggml_tensor* add(const GraphBuild& b, std::span<const Linear* const> parts, ggml_tensor* x,
                   int64_t n_row, ggml_tensor* residual);
  // act(gate x) * up x: bf16 [pad_panel_rows(n_row)][n_out].
  ggml_tensor* gate(const GraphBuild& b, const Linear& gate, const Linear& up, ggml_tensor* x,
                    int64_t n_row, kernels::Activation activation);

  // What nodes cannot report: whether all products of the graphs since the last call succeeded.
  // Errors: capacity, runtime.
  Status take_status();

 private:
  struct Panel;
  struct Product;
  Status plan(Product* product) const;
  Status plan_panel(Product* product, Panel panel) const;
  // Memory for it and for all products before it; what was there is lost.
  void reserve(const Product& product);
  // Rows on their way into a panel, or a tile of sums.
  std::byte* buffer(int thread) const { return memory_ + panel_bytes_ + thread * buffer_bytes_; }
  ggml_tensor* run(const GraphBuild& b, Product product, ggml_type type, int64_t n_row_allocated,
                   int64_t n_column);
  void dequantize(const Product& product, const Panel& panel, int64_t slice, int thread);
  void multiply(const Product& product, const Panel& panel, int64_t row_block, int thread,
                ggml_tensor* y);

  Workers& workers_;
  const size_t group_bytes_;
  size_t panel_bytes_ = 0, buffer_bytes_ = 0;
  std::byte* memory_ = nullptr;  // the panels, then every thread's buffer
  Status status_;
  std::atomic<bool> failed_{false};
};

}  // namespace restkv
