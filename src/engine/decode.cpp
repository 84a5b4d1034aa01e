#include "engine/decode.h"

#include <algorithm>
#include <new>
#include <optional>

#include "engine/chunks.h"
#include "engine/decode_attention.h"
#include "engine/decode_ggml.h"
#include "engine/matvec_ops.h"
#include "engine/panel_ops.h"
#include "engine/prefill.h"
#include "engine/recut.h"

namespace restkv {
namespace {

// Entries that a cache without a schedule grows by at once: moving a layer costs less than one
// decode step.
constexpr int32_t kGrowth = 64;

// One decode step's graph.
class Step {
 public:
  Step(const Model& model, Compute& compute, std::span<const DecodeSlot> slots)
      : model_(model),
        slots_(slots),
        in_panels_(DecodeAttention::serves(compute.kernels()) &&
                   decodes_in_panels(std::ssize(slots), compute.kernels())),
        products_(compute.workers()) {
    for (const DecodeSlot& slot : slots)
      ids_.push_back(slot.token);
    if (DecodeAttention::serves(compute.kernels())) {
      own_.emplace(model, slots, compute.n_threads());
    } else {
      ggml_.emplace(model, slots, compute.n_threads());
    }
  }

  // Nodes and leaves, generously.
  size_t count_nodes() const {
    const HParams& hp = model_.hparams();
    size_t nodes = 64;
    if (in_panels_) nodes += products_.count_nodes(int64_t{hp.n_vocab} * hp.n_embd);
    for (uint32_t l = 0; l < hp.n_layer; ++l) {
      nodes += 64;
      if (in_panels_) nodes += products_.count_nodes(layer_weights(hp));
      if (own_) continue;
      for (const DecodeSlot& slot : slots_)
        nodes += 48 + 24 * slot.sequence->cache.layers[l].n_head();
    }
    return nodes;
  }

  void build(const GraphBuild& b, float* logits) {
    const HParams& hp = model_.hparams();
    const auto n = static_cast<int64_t>(slots_.size());
    const MatvecOps few(b, n);
    const PanelOps many(b, products_, n);
    const bool own_products = own_ && MatvecOps::available();
    const LayerOps& ops = in_panels_ ? many : own_products ? few : ggml_ops();
    const GraphContext g{b.ctx, hp, ops};
    ggml_tensor* x = model_.embed(g, b.wrap(GGML_TYPE_I32, ids_.data(), n));
    for (uint32_t l = 0; l < hp.n_layer; ++l) {
      const Attend attend = [&](const Qkv& qkv) {
        return own_ ? own_->attend(b, l, qkv) : ggml_->attend(b, l, qkv);
      };
      x = model_.family().layer(g, model_.layer(l), x, attend);
    }
    ggml_tensor* rows = model_.head(g, x);
    b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F32, logits, hp.n_vocab, n)));
  }

  // What the graph's nodes could not report.
  Status take_status() { return products_.take_status(); }

 private:
  const Model& model_;
  std::span<const DecodeSlot> slots_;
  const bool in_panels_;
  PanelProducts products_;
  std::vector<int32_t> ids_;
  std::optional<DecodeAttention> own_;
  std::optional<GgmlDecodeAttention> ggml_;
};

// Entries to make room for in a full layer: what is missing until it is cut, in steps; a layer that
// nothing cuts grows by steps alone.
int32_t growth(const CachePlan& plan, const LayerCache& layer) {
  if (plan.room() == 0) return kGrowth;
  const int64_t left = plan.config.budget + plan.schedule.every - layer.n_entry() / layer.n_head();
  if (left <= 0) return kGrowth;
  return static_cast<int32_t>(std::min(left, std::max<int64_t>(kGrowth, plan.room())));
}

Status make_room(const Model& model, Compute& compute, Sequence* sequence) {
  const CachePlan& plan = *sequence->plan;
  if (sequence->broken) {
    return Status::runtime("the sequence is broken: a reading or a cut failed half-way");
  }
  if (sequence->cache.layers.empty()) {
    return Status::usage("there is nothing to follow: no prompt has been read");
  }
  int32_t longest = 0;
  for (LayerCache& layer : sequence->cache.layers) {
    if (!layer.has_room()) {
      RESTKV_RETURN_IF_ERROR(layer.reserve(growth(plan, layer), sequence->cache.meter));
    }
    longest = std::max(longest, layer.max_count());
  }
  for (LayerMemory& memory : sequence->memory) {
    if (memory.rotated.keeps_any()) memory.rotated.make_room(1);
    if (memory.raw.keeps_any()) memory.raw.make_room(1);
  }
  if (plan.rotates_when_read()) return sequence->rope.grow(model, compute, longest + 1);
  return DecodeAttention::serves(compute.kernels()) ? prepare_turns(model, compute, sequence)
                                                    : Status();
}

Status make_room(const Model& model, Compute& compute, std::span<const DecodeSlot> slots) {
  try {
    for (const DecodeSlot& slot : slots)
      RESTKV_RETURN_IF_ERROR(make_room(model, compute, slot.sequence));
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for another token");
  }
  return {};
}

Status run_step(const Model& model, Compute& compute, std::span<const DecodeSlot> slots,
                std::vector<float>* logits) {
  try {
    logits->resize(slots.size() * model.hparams().n_vocab);
    Step step(model, compute, slots);
    RESTKV_RETURN_IF_ERROR(compute.run(
        step.count_nodes(), [&](const GraphBuild& b) { step.build(b, logits->data()); }));
    RESTKV_RETURN_IF_ERROR(step.take_status());
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for a decode step");
  }
  return check_logits(model, *logits);
}

}  // namespace

Status decode(const Model& model, Compute& compute, std::span<const DecodeSlot> slots,
              std::vector<float>* logits) {
  RESTKV_RETURN_IF_ERROR(make_room(model, compute, slots));
  for (const DecodeSlot& slot : slots) {
    KvCache& cache = slot.sequence->cache;
    for (LayerCache& layer : cache.layers)
      layer.append_position(cache.next_position);
    ++cache.next_position;
  }
  Status status = run_step(model, compute, slots, logits);
  for (const DecodeSlot& slot : slots) {
    KvCache& cache = slot.sequence->cache;
    if (status.ok()) {
      for (LayerMemory& memory : slot.sequence->memory) {
        memory.rotated.commit(1);
        memory.raw.commit(1);
      }
      continue;
    }
    for (LayerCache& layer : cache.layers)
      layer.drop_last();
    --cache.next_position;
  }
  RESTKV_RETURN_IF_ERROR(status);
  // Each sequence's schedule goes on, also when another one's cut fails.
  for (const DecodeSlot& slot : slots) {
    const Status counted = count_decoded(model, compute, slot.sequence);
    if (status.ok()) status = counted;
  }
  return status;
}

}  // namespace restkv
