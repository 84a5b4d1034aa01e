#include "cache/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "core/check.h"

namespace restkv {

Result<LayerCache> LayerCache::allocate(std::span<const int32_t> capacity, int32_t head_dim,
                                        StorageType type, std::shared_ptr<KvMeter> meter) {
  LayerCache layer;
  layer.head_dim_ = head_dim;
  layer.type_ = type;
  layer.row_bytes_ = storage_row_bytes(type, head_dim);
  layer.count_.assign(capacity.size(), 0);
  layer.offset_.assign(capacity.size() + 1, 0);
  const int64_t total = std::accumulate(capacity.begin(), capacity.end(), int64_t{0});
  if (total > INT32_MAX) {
    return Status::capacity("a layer of " + std::to_string(total) + " cached entries, at most " +
                            std::to_string(INT32_MAX) + " are possible");
  }
  std::partial_sum(capacity.begin(), capacity.end(), layer.offset_.begin() + 1);
  const size_t n_row = layer.offset_.back();
  RESTKV_ASSIGN_OR_RETURN(layer.k_, KvBuffer::allocate(n_row * layer.row_bytes_, meter));
  RESTKV_ASSIGN_OR_RETURN(layer.v_, KvBuffer::allocate(n_row * layer.row_bytes_, meter));
  layer.positions_.assign(n_row, -1);
  return layer;
}

int64_t LayerCache::n_entry() const {
  return std::accumulate(count_.begin(), count_.end(), int64_t{0});
}

int32_t LayerCache::max_count() const {
  return count_.empty() ? 0 : *std::max_element(count_.begin(), count_.end());
}

bool LayerCache::is_uniform() const {
  for (int32_t h = 1; h < n_head(); ++h) {
    if (count_[h] != count_[0] || capacity(h) != capacity(0)) return false;
  }
  return true;
}

void LayerCache::append_rows(int32_t head, const RowsView& keys, const RowsView& values,
                             std::span<const int32_t> entries, std::span<const int32_t> positions) {
  RESTKV_CHECK(entries.size() == positions.size());
  store_rows(head, append_places(head, positions), keys, values, entries);
}

int32_t LayerCache::append_places(int32_t head, std::span<const int32_t> positions) {
  RESTKV_CHECK(count_[head] + std::ssize(positions) <= capacity(head));
  const int32_t at = count_[head];
  std::ranges::copy(positions, positions_.begin() + offset_[head] + at);
  count_[head] += static_cast<int32_t>(positions.size());
  return at;
}

void LayerCache::store_rows(int32_t head, int32_t at, const RowsView& keys, const RowsView& values,
                            std::span<const int32_t> entries) {
  RESTKV_CHECK(at + std::ssize(entries) <= count_[head]);
  for (const int32_t entry : entries) {
    RESTKV_CHECK(entry >= 0 && entry < keys.n_row && entry < values.n_row);
    store_row(keys, entry, type_, k_row(head, at));
    store_row(values, entry, type_, v_row(head, at));
    ++at;
  }
}

void LayerCache::append_entries(int32_t head, const LayerCache& from, int32_t from_head,
                                std::span<const int32_t> entries) {
  RESTKV_CHECK(from.type_ == type_ && from.head_dim_ == head_dim_);
  RESTKV_CHECK(count_[head] + static_cast<int64_t>(entries.size()) <= capacity(head));
  for (const int32_t entry : entries) {
    const int32_t at = count_[head]++;
    std::memcpy(k_row(head, at), from.k_row(from_head, entry), row_bytes_);
    std::memcpy(v_row(head, at), from.v_row(from_head, entry), row_bytes_);
    positions_[offset_[head] + at] = from.positions(from_head)[entry];
  }
}

void LayerCache::keep(int32_t head, std::span<const int32_t> entries) {
  for (size_t i = 0; i < entries.size();) {
    // Runs of neighbours move together; what already lies right does not move.
    size_t n = 1;
    while (i + n < entries.size() && entries[i + n] == entries[i] + static_cast<int32_t>(n))
      ++n;
    const int32_t to = static_cast<int32_t>(i), from = entries[i];
    RESTKV_CHECK(from >= to && from + static_cast<int64_t>(n) <= count_[head]);
    if (from != to) {
      std::memmove(k_row(head, to), k_row(head, from), n * row_bytes_);
      std::memmove(v_row(head, to), v_row(head, from), n * row_bytes_);
      std::copy_n(positions_.begin() + offset_[head] + from, n,
                  positions_.begin() + offset_[head] + to);
    }
    i += n;
  }
  count_[head] = static_cast<int32_t>(entries.size());
}

void LayerCache::replace_values(int32_t head, const RowsView& values) {
  RESTKV_CHECK(values.n_row == count_[head]);
  for (int32_t i = 0; i < count_[head]; ++i)
    store_row(values, i, type_, v_row(head, i));
}

void LayerCache::append_position(int32_t position) {
  for (int32_t h = 0; h < n_head(); ++h)
    positions_[offset_[h] + count_[h]++] = position;
}

void LayerCache::drop_last() {
  for (int32_t& count : count_)
    --count;
}

bool LayerCache::has_room() const {
  for (int32_t h = 0; h < n_head(); ++h) {
    if (count_[h] == capacity(h)) return false;
  }
  return true;
}

Status LayerCache::reserve(int32_t n_more, const std::shared_ptr<KvMeter>& meter) {
  std::vector<int32_t> wanted(n_head());
  for (int32_t h = 0; h < n_head(); ++h)
    wanted[h] = count_[h] + n_more;
  RESTKV_ASSIGN_OR_RETURN(LayerCache bigger, allocate(wanted, head_dim_, type_, meter));
  for (int32_t h = 0; h < n_head(); ++h) {
    if (count_[h] == 0) continue;
    std::memcpy(bigger.k_row(h, 0), k_row(h, 0), count_[h] * row_bytes_);
    std::memcpy(bigger.v_row(h, 0), v_row(h, 0), count_[h] * row_bytes_);
    std::copy_n(positions_.begin() + offset_[h], count_[h],
                bigger.positions_.begin() + bigger.offset_[h]);
  }
  bigger.count_ = count_;
  *this = std::move(bigger);
  return {};
}

size_t KvCache::used_bytes() const {
  size_t bytes = 0;
  for (const LayerCache& layer : layers)
    bytes += layer.used_bytes();
  return bytes;
}

int64_t KvCache::n_entry() const {
  int64_t n = 0;
  for (const LayerCache& layer : layers)
    n += layer.n_entry();
  return n;
}

std::vector<int64_t> KvCache::entries_per_layer() const {
  std::vector<int64_t> entries;
  for (const LayerCache& layer : layers) {
    entries.push_back((layer.n_entry() + layer.n_head() / 2) / std::max(1, layer.n_head()));
  }
  return entries;
}

}  // namespace restkv
