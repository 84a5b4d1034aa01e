// The whole model in plain loops of doubles, over a copy of a cache: the slow oracle of decoding
// and, token by token, of reading what follows a cache. Keys that stand at their index are rotated
// there anew at every step, without any rounding in between.
#pragma once

#include <complex>
#include <optional>
#include <string>
#include <vector>

#include "engine/sequence.h"
#include "model/model.h"

namespace restkv::test {

class PlainDecoder {
 public:
  // Starts from what the cache holds, [n_cached_head] of any lengths. by_index: its keys are stored
  // before RoPE and stand at their index. New rows are rounded to what `stored_as` can hold.
  PlainDecoder(const Model& model, const KvCache& cache, bool by_index,
               std::optional<StorageType> stored_as = {});

  // Logits of what follows the token.
  std::vector<float> decode(int32_t token);

 private:
  using Row = std::vector<double>;
  struct Head {
    std::vector<Row> keys, values;
  };

  Row embed(int32_t token) const;
  Row weight_times(const std::string& name, const Row& x) const;
  Row normed(const std::string& name, const Row& x) const;
  Row attention(int32_t layer, const Row& x);
  Row attend(const Head& head, Row query);
  Row feed_forward(int32_t layer, const Row& x) const;
  Row stored(Row row) const;
  void rotate(int64_t position, double* x);
  const std::vector<std::complex<double>>& turns(int64_t position);
  std::vector<float> plain(const std::string& name) const;

  const Model& model_;
  const HParams& hp_;
  bool by_index_;
  std::optional<StorageType> stored_as_;
  int64_t position_ = 0;                                  // of the next token
  std::vector<std::vector<std::complex<double>>> turns_;  // [position][n_rot / 2], so far
  std::vector<std::vector<Head>> layers_;                 // [n_layer][n_cached_head]
};

}  // namespace restkv::test
