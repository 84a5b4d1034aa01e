// Queries, keys and values whose attention sparse prefill finds as dense or as sparse as that of a
// real model: for the cost of reading, where synthetic.h is for what an eviction keeps.
//
// Keys stand as after RoPE. Every query head has its own mixture of a sink (the first four tokens,
// with small values), a neighbourhood that decays with the distance as a power of it, in some heads
// behind an offset, single tokens that all look at, stretches whose content the query looks for,
// and noise. The strengths are logits that do not depend on the prompt's length, drawn so that
// FlexPrefill computes the shares of blocks that it does on a real model (README.md).
#pragma once

#include <cstdint>

namespace restkv::bench {

struct ActivationShape {
  int64_t n_head = 1, n_head_kv = 1, head_dim = 64;  // head_dim >= 64
  float scale = 0.125f;                              // factor of the dot products
};

// Keys and values of a KV head as f16, tokens 0 .. n_token, [n_token][head_dim]. Pure.
void structured_rows(const ActivationShape& shape, int64_t kv_head, int64_t n_token, uint16_t* keys,
                     uint16_t* values);

// The queries of tokens first .. first + n in a query head, [n][head_dim], `stride` floats apart;
// their structure does not depend on the length of the prompt. Pure.
void structured_queries(const ActivationShape& shape, int64_t head, int64_t first, int64_t n,
                        float* queries, int64_t stride);

}  // namespace restkv::bench
