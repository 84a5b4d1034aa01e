// A conversation, or any sequence that is read and continued in turns, inside one cache budget.
//
// Thread safety: one thread uses a session at a time; a model may serve any number of sessions.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/compute.h"
#include "engine/prefill.h"
#include "engine/sequence.h"
#include "model/model.h"

namespace restkv {

class Session {
 public:
  // The model and compute must outlive the session.
  // Errors: usage, capacity (the configuration, or what it asks of this model).
  static Result<std::unique_ptr<Session>> create(const Model& model, Compute& compute,
                                                 const CacheConfig& config);

  // Reads a prompt: the first, or that of another turn, which follows what the session holds. The
  // schedule says when the cache is cut. Errors: as extend().
  Status read(const ReadRequest& request);
  // Continues with one token, after a prompt. Errors: as decode().
  Status decode(int32_t token);

  // Of what follows the last token that was read or decoded, [n_vocab].
  std::span<const float> logits() const { return logits_; }
  const KvCache& cache() const { return sequence_.cache; }
  const CachePlan& plan() const { return *sequence_.plan; }
  const KvMeter& meter() const { return *sequence_.cache.meter; }
  int64_t n_token() const { return sequence_.n_seen(); }
  int64_t over_budget() const { return sequence_.over_budget(); }

  // Of the last read(); eviction_ms() covers everything since the session began.
  double read_ms() const { return read_ms_; }
  double eviction_ms() const { return sequence_.eviction_ms; }
  // Blocks of the attention of the last read(), all layers and query heads together.
  const sparse::BlockCount& attention_blocks() const { return blocks_; }

 private:
  Session(const Model& model, Compute& compute) : model_(model), compute_(compute) {}

  const Model& model_;
  Compute& compute_;
  Sequence sequence_;
  std::vector<float> logits_;
  double read_ms_ = 0;
  sparse::BlockCount blocks_;
};

}  // namespace restkv
