// What a user can set, as plain structs with the defaults of the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "restkv/budget.h"
#include "restkv/policy.h"

namespace restkv {

// What K and V are stored as once the cache is compressed; q8_0 and q4_0 are ggml's.
enum class StorageType { f16, q8_0, q4_0 };

// Entries that always stay, whatever the policy says. They count toward the budget.
struct Protection {
  // Tokens begin .. end - 1 of the sequence.
  struct Span {
    int64_t begin = 0, end = 0;
  };
  int64_t n_sink = 0;  // the first entries
  std::vector<Span> pins;

  // The tokens below `n_token` that are protected, each once.
  int64_t count(int64_t n_token) const;
  bool holds(int64_t position) const;
};

// One way to keep a cache: which policy, how much, for whom, when. What is not set is the policy's
// own, or the preset's.
struct CacheConfig {
  PolicyOptions policy;   // its name may be a preset's
  int64_t budget = 1024;  // entries per cached head, window included
  SelectionOptions selection;
  std::optional<LayerBudget> layer_budget;  // uniform
  std::optional<HeadBudget> head_budget;    // uniform
  bool strict = false;  // trim what the method's own rules keep above the budget
  std::optional<Schedule> schedule;
  std::optional<KeyPositions> positions;
  StorageType type = StorageType::f16;
  Protection protection;
};

// Names that stand for a policy with splits and a schedule: adakv, pyramidkv, headkv, h2o-decode,
// streaming-decode.
std::vector<std::string_view> preset_names();
// Replaces a preset's name by what it stands for; what the user has set stays as it is. Any other
// name is left alone. Error: usage (headkv without a table).
Status apply_preset(CacheConfig* config);

// Which kernels compute: `ggml` keeps ggml's own everywhere, so that logits stay comparable with
// llama.cpp to the bit; `automatic` takes restkv's where they win on this CPU (docs/design.md,
// whose kernels).
enum class Kernels { automatic, ggml };

// Which blocks of 128 queries and 128 keys a prompt's attention computes (docs/sparse-prefill.md).
// Counts are in tokens and are rounded up to blocks.
struct PrefillAttention {
  enum class Kind { dense, flex, minference, a_shape };
  Kind kind = Kind::dense;

  double gamma = 0.95;        // flex: attention that the computed blocks are to cover
  double tau = 1.0;           // flex: a head estimated better than this follows its queries
  int64_t min_budget = 1024;  // flex: columns, and diagonals, at least
  int64_t n_vertical = 1000;  // minference: columns
  int64_t n_slash = 6096;     // minference: diagonals
  int64_t n_sink = 128;       // a-shape: first tokens
  int64_t n_local = 4096;     // a-shape: tokens before a query
};

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
