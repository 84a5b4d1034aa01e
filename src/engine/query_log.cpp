#include "engine/query_log.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"

namespace restkv {

QueryLog::QueryLog(int64_t n_head, int64_t head_dim, int64_t n_last, bool all_since)
    : n_head_(n_head), head_dim_(head_dim), n_last_(n_last), all_since_(all_since) {}

int64_t QueryLog::first_kept(int64_t n_new) const {
  return all_since_ ? 0 : std::max<int64_t>(0, n_new - n_last_);
}

void QueryLog::make_room(int64_t n_new) {
  first_new_ = first_kept(n_new);
  const int64_t n_kept_new = n_new - first_new_;
  if (n_ + n_kept_new <= capacity_) return;
  // All of the last ones: those that follow may never be committed.
  const int64_t n_keep = std::min(std::max(n_last_, all_since_ ? n_since_ : 0), n_);
  // A token at a time is the rule while decoding: slack, so that rows move once in a while only.
  const int64_t slack = n_new == 1 ? std::max<int64_t>(32, n_last_) : 0;
  move_kept(n_keep, std::max(capacity_, n_keep + n_kept_new + slack));
}

void QueryLog::move_kept(int64_t n_keep, int64_t capacity) {
  std::vector<float> moved;
  float* to = data_.data();
  if (capacity != capacity_) {
    moved.resize(n_head_ * capacity * head_dim_);
    to = moved.data();
  }
  for (int64_t h = 0; n_keep > 0 && h < n_head_; ++h) {
    std::memmove(to + h * capacity * head_dim_,
                 data_.data() + (h * capacity_ + n_ - n_keep) * head_dim_,
                 n_keep * head_dim_ * sizeof(float));
  }
  if (capacity != capacity_) data_.swap(moved);
  capacity_ = capacity;
  n_ = n_keep;
}

float* QueryLog::slot(int64_t i) {
  RESTKV_CHECK(i >= first_new_ && n_ + i - first_new_ < capacity_);
  return data_.data() + (n_ + i - first_new_) * head_dim_;
}

void QueryLog::commit(int64_t n_new) {
  n_ += n_new - first_kept(n_new);
  n_since_ += n_new;
}

void QueryLog::adopt(const QueryLog& other) {
  n_since_ = other.n_since_;
  copy_last(other);
}

void QueryLog::adopt_last(const QueryLog& other) {
  n_since_ = 0;
  copy_last(other);
}

void QueryLog::copy_last(const QueryLog& other) {
  n_ = std::min(std::max(n_last_, all_since_ ? n_since_ : 0), other.n_);
  capacity_ = n_;
  data_.resize(n_head_ * n_ * head_dim_);
  for (int64_t h = 0; n_ > 0 && h < n_head_; ++h) {
    std::memcpy(data_.data() + h * n_ * head_dim_, other.rows().row(h, other.n_ - n_),
                n_ * head_dim_ * sizeof(float));
  }
}

}  // namespace restkv
