// How many tokens go through a layer at once while a prompt is read.
#pragma once

#include <cstdint>

#include "model/hparams.h"
#include "restkv/options.h"

namespace restkv {

// ggml's attention takes another, less exact path below this many queries; a shorter remainder of
// the prompt joins the chunk before it.
constexpr int64_t kMinChunk = 64;

// Whether n_token tokens are multiplied in bf16 panels (panel_products.h): fewer do not repay
// their dequantisation.
bool reads_in_panels(int64_t n_token, Kernels kernels);

// Whether a decoding step of n_slot sequences is: below, kernels for few vectors are faster.
bool decodes_in_panels(int64_t n_slot, Kernels kernels);

// Tokens of a whole chunk. For ggml's kernels llama.cpp's 512; for panels more, where a
// layer is large: more repay the dequantisation of its weights, and a chunk's activations are
// still small beside them. It depends on one layer's shape alone.
int64_t chunk_rows(const HParams& hparams, int64_t n_token, Kernels kernels);
// The most that a chunk may have once a remainder has joined it.
inline int64_t max_chunk_rows(const HParams& hparams, int64_t n_token, Kernels kernels) {
  return chunk_rows(hparams, n_token, kernels) + kMinChunk - 1;
}

// Bytes of the activations of one token in a chunk: those that exist at once in a layer's graph.
size_t activation_bytes(const HParams& hparams);

// Elements of one layer's matrices.
int64_t layer_weights(const HParams& hparams);

}  // namespace restkv
