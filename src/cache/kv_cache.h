// The ragged KV cache: every cached head of every layer has its own number of entries.
//
// One layer holds one packed buffer for K and one for V. Head h owns the rows
// offset[h] .. offset[h] + count[h]; the rows up to offset[h+1] are room to grow. A row is
// [head_dim] in the storage type. K is stored after RoPE, or before it where a sequence rotates
// keys to their index when they are read; the cache itself does not mind. The original position of
// every entry is kept beside it.
//
// Thread safety: none; one thread changes a cache at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cache/memory.h"
#include "cache/storage.h"
#include "restkv/tensor_view.h"

namespace restkv {

class LayerCache {
 public:
  // Room for capacity[h] entries of head_dim in each cached head h. Error: capacity.
  // REQUIRES: check_storage() accepts type and head_dim.
  static Result<LayerCache> allocate(std::span<const int32_t> capacity, int32_t head_dim,
                                     StorageType type, std::shared_ptr<KvMeter> meter);

  int32_t n_head() const { return static_cast<int32_t>(count_.size()); }
  int32_t head_dim() const { return head_dim_; }
  StorageType type() const { return type_; }
  int32_t count(int32_t head) const { return count_[head]; }
  int32_t capacity(int32_t head) const { return offset_[head + 1] - offset_[head]; }
  int32_t offset(int32_t head) const { return offset_[head]; }
  // Entries of all heads.
  int64_t n_entry() const;
  int32_t max_count() const;
  // Same count and evenly spaced: the layer is one plain 3-d tensor.
  bool is_uniform() const;
  size_t row_bytes() const { return row_bytes_; }
  // Bytes of the entries that are held, K and V, without the room to grow.
  size_t used_bytes() const { return 2 * row_bytes_ * n_entry(); }

  std::byte* k_row(int32_t head, int32_t entry) const { return k_.data() + row(head, entry); }
  std::byte* v_row(int32_t head, int32_t entry) const { return v_.data() + row(head, entry); }
  std::span<const int32_t> positions(int32_t head) const {
    return {positions_.data() + offset_[head], static_cast<size_t>(count_[head])};
  }

  // Appends rows entries[i] of keys and values (f16 or f32) to `head`, at positions[i].
  // REQUIRES: room for them; rows that exist.
  void append_rows(int32_t head, const RowsView& keys, const RowsView& values,
                   std::span<const int32_t> entries, std::span<const int32_t> positions);
  // The same in two steps: places for entries, of which the first is returned; then their rows,
  // concurrently for different places. at + entries.size() <= count(head).
  int32_t append_places(int32_t head, std::span<const int32_t> positions);
  void store_rows(int32_t head, int32_t at, const RowsView& keys, const RowsView& values,
                  std::span<const int32_t> entries);
  // Appends entries of another cache's head as they are stored there. REQUIRES: the same type and
  // head_dim, room for them.
  void append_entries(int32_t head, const LayerCache& from, int32_t from_head,
                      std::span<const int32_t> entries);

  // Keeps only these entries of `head`, ascending; the others are gone, the room stays.
  void keep(int32_t head, std::span<const int32_t> entries);
  // New values for all entries of `head`, f16 or f32 [count][head_dim].
  void replace_values(int32_t head, const RowsView& values);

  // Counts one more entry in every head, at `position`; the caller writes its rows.
  // REQUIRES: room in every head.
  void append_position(int32_t position);
  // Takes the entry of the last append_position() back.
  void drop_last();

  // True when every head can take one more entry.
  bool has_room() const;
  // Makes room for exactly n_more entries in every head, moving what is there.
  Status reserve(int32_t n_more, const std::shared_ptr<KvMeter>& meter);

 private:
  size_t row(int32_t head, int32_t entry) const {
    return (static_cast<size_t>(offset_[head]) + entry) * row_bytes_;
  }

  int32_t head_dim_ = 0;
  StorageType type_ = StorageType::f16;
  size_t row_bytes_ = 0;
  std::vector<int32_t> offset_;  // [n_head + 1]
  std::vector<int32_t> count_;   // [n_head]
  std::vector<int32_t> positions_;
  KvBuffer k_, v_;
};

struct KvCache {
  std::vector<LayerCache> layers;
  int32_t next_position = 0;  // of the next token
  std::shared_ptr<KvMeter> meter;

  size_t used_bytes() const;
  int64_t n_entry() const;  // of all layers and cached heads together
  // Mean over the heads of each layer, rounded to the nearest.
  std::vector<int64_t> entries_per_layer() const;
};

}  // namespace restkv
