#include "engine/prefill.h"

#include <algorithm>
#include <array>
#include <new>
#include <string>

#include "engine/reading.h"

namespace restkv {
namespace {

// Says whether a cache has been changed, also where memory ran out.
Result<ReadResult> run(Reading& reading, bool* touched) {
  try {
    auto result = reading.run();
    *touched = *touched || reading.touched();
    return result;
  } catch (const std::bad_alloc&) {
    *touched = *touched || reading.touched();
    throw;
  }
}

// A prompt chunk by chunk, each followed by an eviction. Logits and progress as of one reading.
Result<ReadResult> read_in_chunks(const Model& model, Compute& compute, const ReadRequest& request,
                                  Sequence* sequence, bool* touched) {
  const auto n_token = static_cast<int64_t>(request.tokens.size());
  const int64_t every = sequence->plan->schedule.every;
  ReadResult all;
  for (int64_t first = 0; first < n_token; first += every) {
    ReadRequest piece{.attention = request.attention};
    piece.tokens = request.tokens.subspan(first, std::min(every, n_token - first));
    if (request.on_logits) {
      piece.on_logits = [&](int64_t row, TensorView<const float, 2> logits) {
        return request.on_logits(first + row, logits);
      };
    }
    if (request.on_progress) {
      piece.on_progress = [&](PrefillProgress p) {
        const double share = static_cast<double>(p.n_token) / static_cast<double>(n_token);
        p.fraction = static_cast<double>(first) / static_cast<double>(n_token) + share * p.fraction;
        p.n_done += first;
        p.n_token = n_token;
        request.on_progress(p);
      };
    }
    Reading reading(model, compute, piece, {sequence}, true);
    auto result = run(reading, touched);
    if (!result.ok()) return result;
    all.total_ms += result->total_ms;
    all.eviction_ms += result->eviction_ms;
    all.blocks += result->blocks;
    all.last_logits = std::move(result->last_logits);
  }
  return all;
}

Sequence make_sequence(std::shared_ptr<const CachePlan> plan, std::shared_ptr<KvMeter> meter) {
  Sequence sequence;
  sequence.plan = std::move(plan);
  sequence.cache.meter = std::move(meter);
  return sequence;
}

}  // namespace

Result<ReadResult> extend(const Model& model, Compute& compute, const ReadRequest& request,
                          Sequence* sequence) {
  if (sequence->broken) {
    return Status::runtime("the sequence is broken: reading an earlier prompt failed half-way");
  }
  if (sequence->n_seen() + static_cast<int64_t>(request.tokens.size()) > INT32_MAX / 2) {
    return Status::capacity("the sequence has " + std::to_string(sequence->n_seen()) + " tokens, " +
                            std::to_string(request.tokens.size()) +
                            " more are above the limit of " + std::to_string(INT32_MAX / 2));
  }
  const CachePlan& plan = *sequence->plan;
  RESTKV_RETURN_IF_ERROR(plan.check_model(model.hparams()));
  bool touched = false;
  const auto read = [&]() -> Result<ReadResult> {
    if (plan.repeats() && plan.schedule.kind == Schedule::Kind::chunk) {
      return read_in_chunks(model, compute, request, sequence, &touched);
    }
    Reading reading(model, compute, request, {sequence}, plan.repeats() || sequence->n_seen() == 0);
    return run(reading, &touched);
  };
  try {
    auto result = read();
    sequence->broken = touched && !result.ok();
    return result;
  } catch (const std::bad_alloc&) {
    sequence->broken = touched;
    return Status::capacity("no memory to read " + std::to_string(request.tokens.size()) +
                            " tokens");
  }
}

Result<PrefillResult> prefill(const Model& model, Compute& compute, const ReadRequest& request,
                              std::span<const std::shared_ptr<const CachePlan>> plans,
                              const std::shared_ptr<KvMeter>& meter) {
  PrefillResult result;
  std::vector<Sequence*> together;
  for (const auto& plan : plans) {
    RESTKV_RETURN_IF_ERROR(plan->check_model(model.hparams()));
    result.sequences.push_back(make_sequence(plan, meter));
  }
  for (Sequence& sequence : result.sequences) {
    if (sequence.plan->schedule.kind == Schedule::Kind::chunk) {
      ReadRequest alone{.tokens = request.tokens,
                        .on_progress = request.on_progress,
                        .attention = request.attention};
      RESTKV_ASSIGN_OR_RETURN(result.read, extend(model, compute, alone, &sequence));
    } else {
      together.push_back(&sequence);
    }
  }
  if (together.empty() && !plans.empty()) return result;
  try {
    Reading reading(model, compute, request, together, true);
    RESTKV_ASSIGN_OR_RETURN(result.read, reading.run());
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory to read " + std::to_string(request.tokens.size()) +
                            " tokens");
  }
  return result;
}

Status check_logits(const Model& model, std::span<const float> logits) {
  // A batch has millions of them. Zero times what is not finite is NaN, and so is every sum of it;
  // a compiler adds up the lanes at once.
  constexpr size_t kLane = 16;
  std::array<float, kLane> zeros{};
  size_t i = 0;
  for (; i + kLane <= logits.size(); i += kLane) {
    for (size_t j = 0; j < kLane; ++j)
      zeros[j] += logits[i + j] * 0.0f;
  }
  for (; i < logits.size(); ++i)
    zeros[0] += logits[i] * 0.0f;
  if (std::ranges::all_of(zeros, [](float zero) { return zero == 0.0f; })) return {};
  return Status::model(model.path() +
                       ": the logits are not finite: a weight is NaN or infinite, or too large");
}

}  // namespace restkv
