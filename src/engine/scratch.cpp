#include "engine/scratch.h"

#include <algorithm>

namespace restkv {

Status ReadScratch::allocate(int64_t n_row, int64_t n_raw, int32_t head_dim,
                             const std::shared_ptr<KvMeter>& meter) {
  head_dim_ = head_dim;
  const size_t row_bytes = head_dim * sizeof(uint16_t);
  RESTKV_ASSIGN_OR_RETURN(k_, KvBuffer::allocate(n_row * row_bytes, meter));
  RESTKV_ASSIGN_OR_RETURN(v_, KvBuffer::allocate(n_row * row_bytes, meter));
  RESTKV_ASSIGN_OR_RETURN(raw_k_, KvBuffer::allocate(n_raw * row_bytes, meter));
  return {};
}

void ReadScratch::begin(int32_t n_store, int64_t n_new) {
  n_old_.assign(n_store, 0);
  lay_out(n_new);
}

void ReadScratch::begin(const LayerCache& cache, int64_t n_new, const RopeTable* table) {
  n_old_.resize(cache.n_head());
  for (int32_t h = 0; h < cache.n_head(); ++h)
    n_old_[h] = cache.count(h);
  lay_out(n_new);
  for (int32_t h = 0; h < cache.n_head(); ++h) {
    const int64_t n = n_old_[h];
    if (n == 0) continue;
    load_stored_halves(cache.v_row(h, 0), cache.type(), n, head_dim_, v(h, 0));
    if (table == nullptr) {
      load_stored_halves(cache.k_row(h, 0), cache.type(), n, head_dim_, k(h, 0));
      continue;
    }
    std::vector<float> rotated(n * head_dim_);
    load_stored(cache.k_row(h, 0), cache.type(), n, head_dim_, rotated.data());
    rotate_to_index(*table, n, head_dim_, rotated.data());
    ggml_fp32_to_fp16_row(rotated.data(), k(h, 0), n * head_dim_);
  }
}

void ReadScratch::lay_out(int64_t n_new) {
  n_new_ = n_new;
  offset_.resize(n_old_.size());
  int64_t at = 0;
  for (size_t h = 0; h < n_old_.size(); ++h) {
    offset_[h] = at;
    at += n_old_[h] + n_new;
  }
}

int64_t ReadScratch::max_old() const {
  return *std::max_element(n_old_.begin(), n_old_.end());
}

bool ReadScratch::is_uniform() const {
  return std::ranges::all_of(n_old_, [&](int64_t n) { return n == n_old_[0]; });
}

void rotate_to_index(const RopeTable& table, int64_t n, int64_t head_dim, float* rows) {
  for (int64_t i = 0; i < n; ++i)
    table.rotate(i, rows + i * head_dim);
}

}  // namespace restkv
