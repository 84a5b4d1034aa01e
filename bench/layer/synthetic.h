// Queries, keys and values of one layer with the structure that attention has in real models, and
// some entries of which it is known that they matter.
//
// Keys stand as after RoPE. All have the same length, give or take a tenth. Of the attention of a
// late query about 0.7 goes to the first four tokens (the sink, with small values) and 0.2 to the
// planted spans at 4,096 tokens, 0.2 and 0.4 at 32,768; the last 128 tokens and everything else
// share the rest (tests/bench/bench_test.cpp).
#pragma once

#include <cstdint>
#include <vector>

namespace restkv::bench {

constexpr int64_t kPlantedSpans = 32, kSpanTokens = 4, kSinkTokens = 4;

struct SyntheticShape {
  int64_t n_head = 1, n_head_kv = 1, head_dim = 64;  // head_dim >= 32
  int64_t n_token = 0;                               // >= 512
};

// The first tokens of the planted spans, ascending, between the sink and the last 128 tokens; the
// same for all heads.
std::vector<int64_t> planted_spans(int64_t n_token);

// Keys and values of a KV head as f16 [n_token][head_dim].
void synthetic_rows(const SyntheticShape& shape, int64_t kv_head, uint16_t* keys, uint16_t* values);

// The query of token t in a query head, [head_dim].
void synthetic_query(const SyntheticShape& shape, int64_t head, int64_t t, float* query);

}  // namespace restkv::bench
