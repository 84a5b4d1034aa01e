// Products of a prompt chunk's rows with a layer's matrices: panels of weights are dequantised to
// bf16 once a chunk and multiplied by oneDNN, as pairs of nodes (dequantise, multiply) in a graph.
// Worth it from some 64 rows on, where a panel serves all of them.
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

// Rows of bf16 tensors are allocated in multiples of this, because code is generated for so many.
constexpr int64_t kPanelRowAlign = 16;
constexpr int64_t pad_panel_rows(int64_t n_row) {
  return (n_row + kPanelRowAlign - 1) / kPanelRowAlign * kPanelRowAlign;
}

class PanelProducts {
 public:
  // Whether it can be used at all on this machine and build.
  static bool available() { return has_bf16_product(); }
  // Bytes that the panels and the threads' buffers of a model's layers may take.
  static size_t workspace_bytes(const HParams& hparams, int n_threads);

  explicit PanelProducts(int n_threads) : n_threads_(n_threads) {}

  // y = x [n_row][n_in] bf16 times the rows of every part, side by side: float
  // [n_row][sum of n_out], with biases, and with residual [n_row][n_out] (float or bf16) where there
  // is one. x holds pad_panel_rows(n_row) rows. An error that nodes cannot report is in status().
  ggml_tensor* add(const GraphBuild& b, std::span<const Linear* const> parts, ggml_tensor* x,
                   int64_t n_row, ggml_tensor* residual);
  // act(gate x) * up x: bf16 [pad_panel_rows(n_row)][n_out].
  ggml_tensor* gate(const GraphBuild& b, const Linear& gate, const Linear& up, ggml_tensor* x,
                    int64_t n_row, kernels::Activation activation);

  // Of the graphs that were built and run since the last call.
  Status take_status();

 private:
  struct Panel;
  struct Group;
  struct Output;
  // Memory of one thread: rows on their way into a panel, or a tile of products.
  struct Buffer {
    std::vector<std::byte> memory;
    std::byte* at(size_t alignment = 64);
  };

  std::vector<Panel> cut(std::span<const Linear* const> parts, bool paired) const;
  ggml_tensor* multiply(const GraphBuild& b, std::vector<Panel> panels, ggml_tensor* x,
                        const Output& output);
  void dequantize(const Panel& panel, std::byte* scratch, std::byte* to);

  int n_threads_;
  std::vector<std::byte> panels_;
  std::vector<Buffer> buffers_;  // [n_threads]
  Status made_;
  std::atomic<bool> failed_{false};
};

}  // namespace restkv
