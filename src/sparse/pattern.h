// Sparse prefill: which key blocks the queries of a prompt compute.
//
// A reading goes through a layer twice. Once the keys of all tokens and the last queries are known,
// choose() looks at what these attend to and fixes what holds for the whole prompt: key blocks that
// every query sees (columns), and distances at which every query sees a block (diagonals). Then the
// queries come, a chunk at a time, and select_blocks() (select.h) turns columns and diagonals into
// blocks; for a head whose pattern is query-aware it adds what this chunk's own queries look for.
//
// docs/sparse-prefill.md has the methods and their sources.
// Thread safety: a pattern is immutable, its methods may be called concurrently.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "restkv/options.h"
#include "restkv/status.h"
#include "restkv/tensor_view.h"
#include "sparse/coverage.h"

namespace restkv::sparse {

// One query head of a layer, once all keys are known. Borrowed, read-only.
struct HeadObservation {
  // [n_query][head_dim] after RoPE, query_stride floats apart: the last queries of the prompt, of
  // which a pattern takes the last n_last_query(). Query i stands at key n_key - n_query + i.
  const float* queries = nullptr;
  int64_t n_query = 0;
  int64_t query_stride = 0;
  RowsView keys;         // [n_key][head_dim] of its KV head
  RowsView pooled_keys;  // [n_pooled(n_key)][head_dim], f32: pool_rows() of the keys
  float scale = 1.0f;    // factor of the dot products
};

// What holds for all queries of a head. Block 0, the block of a query itself and the one before are
// computed whatever is listed here.
struct HeadPattern {
  std::vector<int32_t> columns;    // key blocks, ascending
  std::vector<int32_t> diagonals;  // query block less key block, ascending
  // Query-aware: blocks of the chunk are added until `gamma` of the attention estimated for all
  // blocks of the prompt so far is covered; `last`, the estimate of the last query block, stands
  // for each block still to come.
  bool query_aware = false;
  double gamma = 1.0;
  Coverage last;
};

class PrefillPattern {
 public:
  virtual ~PrefillPattern() = default;
  // Queries that choose() looks at; 0: neither queries nor keys.
  virtual int64_t n_last_query() const = 0;
  // Whether pooled keys, and a chunk's queries in select_blocks(), are asked for.
  virtual bool pools() const { return false; }
  // For a prompt of n_key keys, cached ones included. REQUIRES: what the two above ask for.
  virtual HeadPattern choose(const HeadObservation& head) const = 0;
};

// Error: usage, one line: the flag, its value, what is allowed.
Status check(const PrefillAttention& options);
// nullptr for dense. Error: as check().
Result<std::unique_ptr<const PrefillPattern>> make_pattern(const PrefillAttention& options);

// dense, flex, minference, a-shape, in the order of PrefillAttention::Kind.
std::vector<std::string_view> pattern_names();
std::string_view pattern_name(PrefillAttention::Kind kind);

std::unique_ptr<const PrefillPattern> make_flex(const PrefillAttention& options);
std::unique_ptr<const PrefillPattern> make_minference(const PrefillAttention& options);
std::unique_ptr<const PrefillPattern> make_a_shape(const PrefillAttention& options);

}  // namespace restkv::sparse
