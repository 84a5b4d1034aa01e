// The queries of one layer that later evictions look at: the last few, or all since the policy last
// ran. A log lives as long as its cache.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <vector>

namespace restkv {

// Rows of queries, one block a query head: borrowed, read-only.
struct QueryRows {
  const float* data = nullptr;
  int64_t n_query = 0;
  int64_t head_dim = 0;
  int64_t head_stride = 0;  // floats between two heads

  const float* row(int64_t head, int64_t i) const {
    return data + head * head_stride + i * head_dim;
  }
};

class QueryLog {
 public:
  QueryLog() = default;  // keeps nothing
  // Keeps the last n_last queries and, with all_since, every one since mark().
  QueryLog(int64_t n_head, int64_t head_dim, int64_t n_last, bool all_since);

  bool keeps_any() const { return n_last_ > 0 || all_since_; }
  int64_t n_last() const { return n_last_; }
  bool keeps_all_since() const { return all_since_; }
  // Of n_new queries in a row, the first that is worth writing down.
  int64_t first_kept(int64_t n_new) const;

  // Room for n_new queries that follow; those that nobody will ask for again go, whether the new
  // ones are committed or not. What was written but not committed is gone.
  void make_room(int64_t n_new);
  // Where the i-th new query of head 0 is to be written; heads are head_stride() floats apart.
  // REQUIRES: first_kept(n_new) <= i < n_new, of the last make_room(n_new).
  float* slot(int64_t i);
  int64_t head_stride() const { return capacity_ * head_dim_; }
  // The new queries count from now on.
  void commit(int64_t n_new);

  // The policy has run.
  void mark() { n_since_ = 0; }
  // What a log of this kind needs of `other`: it goes on from there.
  void adopt(const QueryLog& other);
  // The same where the policy has just run.
  void adopt_last(const QueryLog& other);
  // Queries since mark(), whether they are kept or not.
  int64_t n_since() const { return n_since_; }
  QueryRows rows() const { return {data_.data(), n_, head_dim_, head_stride()}; }

 private:
  void copy_last(const QueryLog& other);
  void move_kept(int64_t n_keep, int64_t capacity);

  int64_t n_head_ = 0, head_dim_ = 0, n_last_ = 0;
  bool all_since_ = false;
  std::vector<float> data_;  // [n_head][capacity][head_dim]
  int64_t capacity_ = 0;
  int64_t n_ = 0;  // committed rows
  int64_t n_since_ = 0;
  int64_t first_new_ = 0;  // first_kept() of the last make_room()
};

}  // namespace restkv
