// Blocks of an attention matrix: which queries and keys a block holds, and which blocks are
// computed, as a mask and as lists.
//
// All functions are pure; none allocates but where it returns a vector.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace restkv::sparse {

constexpr int64_t kBlock = 128;  // queries, and keys, of a block

constexpr int64_t n_blocks(int64_t n) {
  return (n + kBlock - 1) / kBlock;
}

// Queries that follow each other: query i stands at key n_key - n_query + i and sees the keys up to
// that one. Query block b holds the queries 128 b and on, key block j the keys 128 j and on; the
// two need not be aligned.
struct QuerySpan {
  int64_t n_query = 0;
  int64_t n_key = 0;     // up to the last of these queries
  int64_t n_cached = 0;  // keys at the front that an earlier cut left: all queries see them
  int64_t n_dense = 0;   // of the last queries: they see every block

  int64_t n_query_block() const { return n_blocks(n_query); }
  int64_t n_key_block() const { return n_blocks(n_key); }
  int64_t end_query(int64_t b) const { return std::min((b + 1) * kBlock, n_query); }
  // Keys of the first and the last query of a block.
  int64_t first_key(int64_t b) const { return n_key - n_query + b * kBlock; }
  int64_t last_key(int64_t b) const { return n_key - n_query + end_query(b) - 1; }
  // Key blocks of which a query block sees something.
  int64_t n_visible(int64_t b) const { return last_key(b) / kBlock + 1; }
  bool is_dense(int64_t b) const { return end_query(b) > n_query - n_dense; }
};

// Queries at the end of a prompt that are computed in full at least; more where a policy's window
// is longer.
constexpr int64_t kDenseTail = 128;

// Of n queries at `first` of a prompt of n_prompt: how many belong to its last n_tail, which are
// computed in full because their attention is looked at afterwards.
constexpr int64_t n_dense_queries(int64_t first, int64_t n, int64_t n_prompt, int64_t n_tail) {
  return std::clamp<int64_t>(first + n - (n_prompt - n_tail), 0, n);
}

struct BlockCount {
  int64_t computed = 0, causal = 0;

  double share() const { return causal > 0 ? static_cast<double>(computed) / causal : 1.0; }
  BlockCount& operator+=(const BlockCount& other) {
    computed += other.computed;
    causal += other.causal;
    return *this;
  }
};

// Blocks that a dense attention computes.
int64_t count_causal(const QuerySpan& span);

// masks [n_row][n_key_block], 1 where a block is computed; a row is a query block of a query head.
// offsets (out) [n_row + 1]; blocks (out), room for n_row * n_key_block: row r computes
// blocks[offsets[r]] .. blocks[offsets[r + 1] - 1], ascending. Returns offsets[n_row].
int64_t list_blocks(std::span<const uint8_t> masks, int64_t n_row, int64_t n_key_block,
                    int32_t* offsets, int32_t* blocks);

}  // namespace restkv::sparse
