// K and V of one layer while tokens are read: the entries that its cache holds, then the new ones,
// each store head's rows in one piece. The next layer uses the same memory.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "engine/rope_table.h"

namespace restkv {

class ReadScratch {
 public:
  // Memory for layers of at most n_row entries, all store heads together, and as many new keys
  // before RoPE as n_raw says. Error: capacity.
  Status allocate(int64_t n_row, int64_t n_raw, int32_t head_dim,
                  const std::shared_ptr<KvMeter>& meter);

  // A layer without a cache: n_store heads of n_new entries.
  void begin(int32_t n_store, int64_t n_new);
  // The entries of a cache, its keys turned to their index where there is a table, and n_new more.
  void begin(const LayerCache& cache, int64_t n_new, const RopeTable* table);

  int32_t n_store() const { return static_cast<int32_t>(n_old_.size()); }
  int64_t n_old(int32_t store) const { return n_old_[store]; }
  int64_t max_old() const;
  bool is_uniform() const;

  uint16_t* k(int32_t store, int64_t row) const { return rows(k_, offset_[store] + row); }
  uint16_t* v(int32_t store, int64_t row) const { return rows(v_, offset_[store] + row); }
  // The i-th new key before RoPE.
  uint16_t* raw_k(int32_t store, int64_t i) const { return rows(raw_k_, store * n_new_ + i); }

  // All entries of a store head.
  RowsView keys(int32_t store) const { return view(k(store, 0), n_old_[store] + n_new_); }
  RowsView values(int32_t store) const { return view(v(store, 0), n_old_[store] + n_new_); }
  // The new ones alone, as a cache is to store them.
  RowsView new_keys(int32_t store, bool raw) const {
    return view(raw ? raw_k(store, 0) : k(store, n_old_[store]), n_new_);
  }
  RowsView new_values(int32_t store) const { return view(v(store, n_old_[store]), n_new_); }

 private:
  uint16_t* rows(const KvBuffer& buffer, int64_t row) const {
    return reinterpret_cast<uint16_t*>(buffer.data()) + row * head_dim_;
  }
  RowsView view(const uint16_t* data, int64_t n) const {
    return {data, ElementType::f16, n, head_dim_, head_dim_};
  }
  void lay_out(int64_t n_new);

  int64_t head_dim_ = 0, n_new_ = 0;
  std::vector<int64_t> n_old_;   // [n_store]
  std::vector<int64_t> offset_;  // [n_store] rows
  KvBuffer k_, v_, raw_k_;
};

// Rows of float turned by the table to positions 0 .. n - 1, in place.
void rotate_to_index(const RopeTable& table, int64_t n, int64_t head_dim, float* rows);

}  // namespace restkv
