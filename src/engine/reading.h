// One reading of tokens, layer by layer (prefill.h): chunks through a layer, its cut, the next one.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "engine/panel_products.h"
#include "engine/prefill.h"
#include "engine/read_attention.h"

namespace restkv {

// Of sequences that are all empty, or of a single one.
class Reading {
 public:
  // cuts: an eviction follows. What is passed by reference outlives this.
  Reading(const Model& model, Compute& compute, const ReadRequest& request,
          std::vector<Sequence*> sequences, bool cuts);

  // Whether a cache has been changed, for good or, after an error, half-way.
  bool touched() const { return touched_; }

  // Once. Errors: as prefill().
  Result<ReadResult> run();

 private:
  Status allocate();
  Status allocate_scratch();
  template <typename Test>
  bool any(const Test& test) const {
    return std::ranges::any_of(sequences_, [&](const Sequence* s) { return test(*s->plan); });
  }

  int64_t n_seen() const { return state_.n_seen(); }

  // The last queries that a policy looks at, now or at a later cut.
  int64_t n_observed() const;
  // End of the chunk that starts at `first`.
  int64_t chunk_end(int64_t first) const;
  Status embed();
  Status run_layer(uint32_t l);
  Status show_layer(uint32_t l) const;
  // Of all tokens, before any of them attends: sparse attention looks at them first.
  Status store_keys(uint32_t l);
  void begin_layer(uint32_t l);
  // A log that serves all plans of a first prompt: what any of them looks at now or later.
  QueryLog shared_log(bool raw) const;
  Status run_chunk(uint32_t l, int64_t first, int64_t n);
  // What is read of layer l becomes part of every sequence's cache, cut where it is time.
  Status finish_layer(uint32_t l);
  Status run_head();
  Status head_rows(int64_t first, int64_t n, std::vector<float>* logits);
  ggml_tensor* hidden_rows(const GraphBuild& b, int64_t first, int64_t n);

  const Model& model_;
  const HParams& hp_;
  Compute& compute_;
  const ReadRequest& request_;
  std::vector<Sequence*> sequences_;
  const bool cuts_;
  const int64_t n_token_;
  const bool panels_;  // products are ours, in bf16
  const bool few_;     // products are ours, as while decoding
  const int64_t chunk_;
  const ggml_type hidden_type_;
  const bool fresh_;  // nothing precedes the tokens

  ReadState state_;
  PanelProducts products_;
  ReadAttention attention_;
  std::vector<std::byte> hidden_;       // [n_token][n_embd] of hidden_type_
  QueryLog fresh_rotated_, fresh_raw_;  // of one layer, where no sequence has its own yet
  SharedScores fresh_scores_;           // of a layer
  bool touched_ = false;
  ReadResult result_;
};

}  // namespace restkv
