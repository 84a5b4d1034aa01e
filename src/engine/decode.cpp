#include "engine/decode.h"

#include <algorithm>
#include <deque>
#include <new>

#include "engine/prefill.h"
#include "engine/recut.h"

namespace restkv {
namespace {

// Entries that a cache without a schedule grows by at once: moving a layer costs less than one
// decode step.
constexpr int32_t kGrowth = 64;

// q, k, v of one sequence: [1][n_head or n_head_kv][head_dim].
Qkv slice(const GraphBuild& b, const Qkv& batch, int64_t slot) {
  const auto one = [&](ggml_tensor* t) {
    return ggml_view_3d(b.ctx, t, t->ne[0], t->ne[1], 1, t->nb[1], t->nb[2], slot * t->nb[2]);
  };
  return {one(batch.q), one(batch.k), one(batch.v)};
}

// Writes the newest entry of every cached head. k: [1][n_head_kv][head_dim].
void store(const GraphBuild& b, const LayerCache& layer, ggml_tensor* k, bool is_key) {
  const int64_t d = layer.head_dim(), n_kv = k->ne[1], per_kv = layer.n_head() / n_kv;
  const auto row = [&](int32_t head) {
    const int32_t last = layer.count(head) - 1;
    return is_key ? layer.k_row(head, last) : layer.v_row(head, last);
  };
  const ggml_type type = ggml_type_of(layer.type());
  if (type == GGML_TYPE_F16 && layer.is_uniform() && per_kv == 1) {
    b.expand(
        ggml_cpy(b.ctx, ggml_reshape_2d(b.ctx, ggml_cont(b.ctx, k), d, n_kv),
                 b.wrap_strided(type, row(0), d, n_kv, 1, layer.capacity(0) * layer.row_bytes(),
                                n_kv * layer.capacity(0) * layer.row_bytes())));
    return;
  }
  for (int32_t h = 0; h < layer.n_head(); ++h) {
    ggml_tensor* from = ggml_view_1d(b.ctx, k, d, (h / per_kv) * k->nb[1]);
    b.expand(ggml_cpy(b.ctx, from, b.wrap(type, row(h), d)));
  }
}

// Keys of cached heads first .. first + n_head, turned to their index: what a node of ours reads.
struct KeysByIndex {
  const LayerCache* layer;
  const RopeTable* table;
  int32_t first;
  std::vector<float> rows;  // [n_thread][head_dim]: no thread of a graph may run out of memory
};

// dst [n_head][n_entry][head_dim] f16. Every thread turns its share of the rows.
void turn_keys(ggml_tensor* dst, int ith, int nth, void* userdata) {
  auto& keys = *static_cast<KeysByIndex*>(userdata);
  const int64_t d = dst->ne[0], n = dst->ne[1], n_row = n * dst->ne[2];
  float* row = keys.rows.data() + ith * d;
  for (int64_t i = n_row * ith / nth; i < n_row * (ith + 1) / nth; ++i) {
    const int32_t head = keys.first + static_cast<int32_t>(i / n);
    const auto entry = static_cast<int32_t>(i % n);
    load_stored(keys.layer->k_row(head, entry), keys.layer->type(), 1, d, row);
    keys.table->rotate(entry, row);
    ggml_fp32_to_fp16_row(row, static_cast<ggml_fp16_t*>(dst->data) + i * d, d);
  }
}

// One decode step's graph.
class Step {
 public:
  Step(const Model& model, std::span<const DecodeSlot> slots, int n_threads)
      : model_(model), hp_(model.hparams()), slots_(slots), n_threads_(n_threads) {
    for (const DecodeSlot& slot : slots)
      ids_.push_back(slot.token);
  }

  // Nodes and leaves, generously.
  size_t count_nodes() const {
    size_t nodes = 64;
    for (uint32_t l = 0; l < hp_.n_layer; ++l) {
      nodes += 64;
      for (const DecodeSlot& slot : slots_)
        nodes += 48 + 24 * slot.sequence->cache.layers[l].n_head();
    }
    return nodes;
  }

  void build(const GraphBuild& b, float* logits) {
    const auto n = static_cast<int64_t>(slots_.size());
    const GraphContext g{b.ctx, hp_};
    ggml_tensor* x = model_.embed(g, b.wrap(GGML_TYPE_I32, ids_.data(), n));
    for (uint32_t l = 0; l < hp_.n_layer; ++l) {
      const Attend attend = [&](const Qkv& qkv) {
        ggml_tensor* out = nullptr;
        for (int64_t s = 0; s < n; ++s) {
          ggml_tensor* one =
              attend_slot(b, *slots_[s].sequence, l, n == 1 ? qkv : slice(b, qkv, s));
          out = out == nullptr ? one : ggml_concat(b.ctx, out, one, 1);
        }
        return out;
      };
      x = model_.family().layer(g, model_.layer(l), x, attend);
    }
    ggml_tensor* rows = model_.head(g, x);
    b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F32, logits, hp_.n_vocab, n)));
  }

 private:
  // Returns [1][n_head * head_dim].
  ggml_tensor* attend_slot(const GraphBuild& b, Sequence& sequence, uint32_t l, const Qkv& raw) {
    const LayerCache& layer = sequence.cache.layers[l];
    LayerMemory& memory = sequence.memory[l];
    const bool by_index = sequence.plan->rotates_when_read();
    if (memory.raw.keeps_any()) write_query(b, &memory.raw, raw.q);
    ggml_tensor* q = turn_query(b, sequence, layer, raw.q);
    const float query_scale = model_.attention_scale().queries;
    if (query_scale != 1.0f) q = ggml_scale(b.ctx, q, query_scale);
    if (memory.rotated.keeps_any()) write_query(b, &memory.rotated, q);
    const Rope rope = model_.rope();
    ggml_tensor* k =
        by_index ? raw.k
                 : rope.apply({b.ctx, hp_}, raw.k, position(b, sequence.cache.next_position - 1));
    store(b, layer, k, true);
    store(b, layer, raw.v, false);
    const int64_t n_q = hp_.n_head, per_head = n_q / layer.n_head();
    ggml_tensor* out = nullptr;
    if (layer.is_uniform()) {
      out = attend_heads(b, sequence, layer, q, {0, layer.n_head(), 0, n_q});
    } else {
      for (int32_t h = 0; h < layer.n_head(); ++h) {
        ggml_tensor* part = attend_heads(b, sequence, layer, q, {h, 1, h * per_head, per_head});
        out = out == nullptr ? part : ggml_concat(b.ctx, out, part, 1);
      }
    }
    return ggml_reshape_2d(b.ctx, out, layer.head_dim() * n_q, 1);
  }

  ggml_tensor* position(const GraphBuild& b, int32_t at) {
    positions_.push_back({at});
    return b.wrap(GGML_TYPE_I32, positions_.back().data(), 1);
  }

  // The query heads of a cached head turn to its last entry; each may stand elsewhere.
  ggml_tensor* turn_query(const GraphBuild& b, const Sequence& sequence, const LayerCache& layer,
                          ggml_tensor* q) {
    const GraphContext g{b.ctx, hp_};
    const Rope rope = model_.rope();
    if (!sequence.plan->rotates_when_read()) {
      return rope.apply(g, q, position(b, sequence.cache.next_position - 1));
    }
    const int64_t d = q->ne[0], n_head = q->ne[1], n_cached = layer.n_head();
    std::vector<int32_t>& index = positions_.emplace_back(n_cached);
    for (int32_t h = 0; h < n_cached; ++h)
      index[h] = layer.count(h) - 1;
    ggml_tensor* by_head = ggml_view_3d(b.ctx, q, d, n_head / n_cached, n_cached, q->nb[1],
                                        q->nb[1] * (n_head / n_cached), 0);
    ggml_tensor* turned = rope.apply(g, by_head, b.wrap(GGML_TYPE_I32, index.data(), n_cached));
    return ggml_reshape_3d(b.ctx, turned, d, n_head, 1);
  }

  // q [1][n_head][head_dim] to the log's next row.
  void write_query(const GraphBuild& b, QueryLog* log, ggml_tensor* q) const {
    const size_t head = log->head_stride() * sizeof(float);
    b.expand(ggml_cpy(
        b.ctx, q,
        b.wrap_strided(GGML_TYPE_F32, log->slot(0), q->ne[0], q->ne[1], 1, head, head * q->ne[1])));
  }

  struct Heads {
    int32_t cached, n_cached;  // of the layer, with the same number of entries, evenly spaced
    int64_t query, n_query;    // the query heads that read them
  };

  // Returns [1][n_query][head_dim].
  ggml_tensor* attend_heads(const GraphBuild& b, const Sequence& sequence, const LayerCache& layer,
                            ggml_tensor* q, const Heads& heads) {
    const int64_t d = layer.head_dim(), n = layer.count(heads.cached);
    ggml_tensor* part =
        ggml_view_3d(b.ctx, q, d, heads.n_query, 1, q->nb[1], q->nb[2], heads.query * q->nb[1]);
    const auto entries = [&](std::byte* data) {
      return b.wrap_strided(ggml_type_of(layer.type()), data, d, n, heads.n_cached,
                            layer.row_bytes(), layer.capacity(heads.cached) * layer.row_bytes());
    };
    ggml_tensor* keys = nullptr;
    if (sequence.plan->rotates_when_read()) {
      keys_.push_back({&layer, &sequence.rope, heads.cached, std::vector<float>(n_threads_ * d)});
      keys = ggml_custom_4d(b.ctx, GGML_TYPE_F16, d, n, heads.n_cached, 1, nullptr, 0, turn_keys,
                            n_threads_, &keys_.back());
    } else {
      keys = entries(layer.k_row(heads.cached, 0));
    }
    ggml_tensor* out = ggml_flash_attn_ext(b.ctx, ggml_permute(b.ctx, part, 0, 2, 1, 3), keys,
                                           entries(layer.v_row(heads.cached, 0)), /*mask=*/nullptr,
                                           model_.attention_scale().logits, 0, 0);
    ggml_prec_set_acc(out, GGML_PREC_F32);
    return out;
  }

  const Model& model_;
  const HParams& hp_;
  std::span<const DecodeSlot> slots_;
  int n_threads_;
  std::vector<int32_t> ids_;
  // What the graph's leaves and nodes point to while it runs.
  std::deque<std::vector<int32_t>> positions_;
  std::deque<KeysByIndex> keys_;
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
  if (!plan.rotates_when_read()) return {};
  return sequence->rope.grow(model, compute, longest + 1);
}

Status run_step(const Model& model, Compute& compute, std::span<const DecodeSlot> slots,
                std::vector<float>* logits) {
  try {
    logits->resize(slots.size() * model.hparams().n_vocab);
    Step step(model, slots, compute.n_threads());
    RESTKV_RETURN_IF_ERROR(compute.run(
        step.count_nodes(), [&](const GraphBuild& b) { step.build(b, logits->data()); }));
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for a decode step");
  }
  return check_logits(model, *logits);
}

}  // namespace

Status decode(const Model& model, Compute& compute, std::span<const DecodeSlot> slots,
              std::vector<float>* logits) {
  for (const DecodeSlot& slot : slots)
    RESTKV_RETURN_IF_ERROR(make_room(model, compute, slot.sequence));
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
