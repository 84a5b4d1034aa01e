// What the parts of one reading share: the tokens' place in their sequence, and the layer's scratch
// and logs.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/compute.h"
#include "engine/evict.h"
#include "engine/query_log.h"
#include "engine/scratch.h"
#include "model/model.h"
#include "restkv/options.h"
#include "sparse/block_mask.h"

namespace restkv {

struct ReadState {
  const Model& model;
  Compute& compute;
  int64_t n_token = 0;          // that are read
  int64_t n_before = 0;         // that precede them
  bool fresh = true;            // no entries precede them
  bool turns_to_index = false;  // keys stand at their index, which may differ between heads
  bool stores_raw = false;      // a cache wants keys before RoPE
  // What each key of the layer receives is added up while its chunks attend, so that a cut behind
  // this reading asks for no queries.
  bool sums_columns = false;
  std::vector<double> column_sums{};  // [n_head][n_token] where it is, of a first prompt
  // Which blocks the attention of fresh tokens is to compute, and how many it has.
  PrefillAttention attention{};
  sparse::BlockCount blocks{};

  ReadScratch scratch{};
  std::vector<int32_t> positions{};  // of the tokens
  // Of the layer: a sequence's own, or one that serves all sequences of a first prompt.
  QueryLog *rotated = nullptr, *raw = nullptr;
  SharedScores* scores = nullptr;  // of a first prompt's layer, for all its sequences

  int64_t n_seen() const { return n_before + n_token; }
};

}  // namespace restkv
