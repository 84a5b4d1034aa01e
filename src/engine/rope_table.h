// The model's rotation at every position, as ggml computes it (frequency factors, scaling and
// YaRN's magnitude included), so that rows can be rotated outside a graph: keys that are stored
// before RoPE and rotated to their index when they are read.
//
// Thread safety: rotate() may be called concurrently; grow() may not run beside it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/compute.h"
#include "model/model.h"

namespace restkv {

class RopeTable {
 public:
  // Rotations of positions first .. first + n - 1 alone. Errors: as Compute::run.
  static Result<RopeTable> range(const Model& model, Compute& compute, int64_t first, int64_t n);
  // Rotations from position 0 on, at least n of them.
  Status grow(const Model& model, Compute& compute, int64_t n);

  int64_t size() const { return n_rot_ == 0 ? 0 : static_cast<int64_t>(turns_.size()) / n_rot_; }
  int64_t n_rot() const { return n_rot_; }
  RopePairs pairs() const { return pairs_; }
  // Where the pair (1, 0) of every pair of dimensions goes at the i-th position of the table and
  // those that follow: cosine and sine, [n_rot] each. REQUIRES: i < size().
  const float* row(int64_t i) const { return turns_.data() + i * n_rot_; }
  // x [head_dim] turned to the i-th position of the table, in place. REQUIRES: i < size().
  void rotate(int64_t i, float* x) const { turn(row(i), x); }
  // The mean rotation of the whole table: no rotation, but linear all the same.
  std::vector<float> mean() const;  // [n_rot], for turn()
  void turn(const float* cos_sin, float* x) const;

 private:
  int64_t n_rot_ = 0;
  RopePairs pairs_ = RopePairs::neighbours;
  // [n][n_rot]: where the pair (1, 0) of every pair of dimensions goes, that is cosine and sine.
  std::vector<float> turns_;
};

}  // namespace restkv
