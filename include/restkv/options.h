// What a user can set, as plain structs with the defaults of the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "restkv/policy.h"

namespace restkv {

// One way to keep a cache: which policy, how much, for whom.
struct CacheConfig {
  PolicyOptions policy;
  int64_t budget = 1024;  // entries per cached head, window included
  SelectionOptions selection;
};

// Which kernels compute: `ggml` keeps ggml's own everywhere, so that logits stay comparable with
// llama.cpp to the bit; `automatic` takes restkv's where they win. So far restkv has none of its
// own for prefill and decode, so both compute the same.
enum class Kernels { automatic, ggml };

struct EngineOptions {
  int n_threads = 0;  // 0: one for each core
  Kernels kernels = Kernels::automatic;
};

struct SamplingOptions {
  float temperature = 0.8f;  // <= 0: the likeliest token
  int32_t top_k = 40;
  float top_p = 0.95f;
  float min_p = 0.05f;
  float repeat_penalty = 1.0f;  // 1: off
  int32_t repeat_last_n = 64;
  uint32_t seed = 0xFFFFFFFFu;  // all ones: drawn by the library
  std::string grammar;          // GBNF text, empty: none
};

}  // namespace restkv
