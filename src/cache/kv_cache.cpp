#include "cache/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "core/check.h"

namespace restkv {

Result<LayerCache> LayerCache::allocate(std::span<const int32_t> capacity, int32_t head_dim,
                                        std::shared_ptr<KvMeter> meter) {
  LayerCache layer;
  layer.head_dim_ = head_dim;
  layer.count_.assign(capacity.size(), 0);
  layer.offset_.assign(capacity.size() + 1, 0);
  const int64_t total = std::accumulate(capacity.begin(), capacity.end(), int64_t{0});
  if (total > INT32_MAX) {
    return Status::capacity("a layer of " + std::to_string(total) + " cached entries, at most " +
                            std::to_string(INT32_MAX) + " are possible");
  }
  std::partial_sum(capacity.begin(), capacity.end(), layer.offset_.begin() + 1);
  const size_t n_row = layer.offset_.back();
  RESTKV_ASSIGN_OR_RETURN(layer.k_, KvBuffer::allocate(n_row * layer.row_bytes(), meter));
  RESTKV_ASSIGN_OR_RETURN(layer.v_, KvBuffer::allocate(n_row * layer.row_bytes(), meter));
  layer.positions_.assign(n_row, -1);
  return layer;
}

bool LayerCache::is_uniform() const {
  for (int32_t h = 1; h < n_head(); ++h) {
    if (count_[h] != count_[0] || capacity(h) != capacity(0)) return false;
  }
  return true;
}

size_t LayerCache::used_bytes() const {
  return 2 * row_bytes() * std::accumulate(count_.begin(), count_.end(), size_t{0});
}

void LayerCache::append_rows(int32_t head, const RowsView& keys, const RowsView& values,
                             std::span<const int32_t> entries) {
  RESTKV_CHECK(keys.type == ElementType::f16 && values.type == ElementType::f16);
  RESTKV_CHECK(count_[head] + static_cast<int64_t>(entries.size()) <= capacity(head));
  const auto source = [](const RowsView& rows, int32_t i) {
    return static_cast<const std::byte*>(rows.data) +
           static_cast<size_t>(i) * rows.row_stride * element_size(rows.type);
  };
  for (const int32_t entry : entries) {
    RESTKV_CHECK(entry >= 0 && entry < keys.n_row && entry < values.n_row);
    const int32_t at = count_[head]++;
    std::memcpy(k_row(head, at), source(keys, entry), row_bytes());
    std::memcpy(v_row(head, at), source(values, entry), row_bytes());
    positions_[offset_[head] + at] = entry;
  }
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
    wanted[h] = std::max(capacity(h), count_[h] + n_more);
  RESTKV_ASSIGN_OR_RETURN(LayerCache bigger, allocate(wanted, head_dim_, meter));
  for (int32_t h = 0; h < n_head(); ++h) {
    std::memcpy(bigger.k_row(h, 0), k_row(h, 0), count_[h] * row_bytes());
    std::memcpy(bigger.v_row(h, 0), v_row(h, 0), count_[h] * row_bytes());
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

std::vector<int64_t> KvCache::entries_per_layer() const {
  std::vector<int64_t> entries;
  for (const LayerCache& layer : layers) {
    int64_t sum = 0;
    for (int32_t h = 0; h < layer.n_head(); ++h)
      sum += layer.count(h);
    entries.push_back((sum + layer.n_head() / 2) / std::max(1, layer.n_head()));
  }
  return entries;
}

}  // namespace restkv
