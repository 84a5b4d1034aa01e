#include "engine/decode_attention.h"

#include <algorithm>
#include <cstring>

#include "ggml-cpu.h"
#include "kernels/dispatch.h"

namespace restkv {
namespace {

using kernels::DecodePart;
using kernels::RowType;
using kernels::Turns;

// Positions whose turns are computed at once: a graph of its own costs as much as a layer.
constexpr int64_t kTurnsAtOnce = 64;
// Parts of a head begin at multiples of this.
constexpr int64_t kAlign = kernels::kDecodeBlock / 2;

RowType row_type(StorageType type) {
  if (type == StorageType::q8_0) return RowType::q8_0;
  return type == StorageType::q4_0 ? RowType::q4_0 : RowType::f16;
}

const float* row_of(const ggml_tensor& t, int64_t slot, int64_t head) {
  return reinterpret_cast<const float*>(static_cast<const char*>(t.data) + slot * t.nb[2] +
                                        head * t.nb[1]);
}

Turns turns_from(const RopeTable& table, int64_t first) {
  return {table.row(first), table.n_rot(), table.pairs() == RopePairs::halves};
}

}  // namespace

bool DecodeAttention::serves(Kernels kernels) {
  return kernels == Kernels::automatic && kernels::has_vector_kernels();
}

Status prepare_turns(const Model& model, Compute& compute, Sequence* sequence) {
  const int64_t next = sequence->cache.next_position, first = sequence->first_ahead;
  if (sequence->plan->rotates_when_read()) return {};
  if (next >= first && next < first + sequence->ahead.size()) return {};
  RESTKV_ASSIGN_OR_RETURN(sequence->ahead, RopeTable::range(model, compute, next, kTurnsAtOnce));
  sequence->first_ahead = next;
  return {};
}

DecodeAttention::DecodeAttention(const Model& model, std::span<const DecodeSlot> slots,
                                 int n_threads)
    : model_(model),
      slots_(slots),
      n_threads_(n_threads),
      n_head_(model.hparams().n_head),
      n_head_kv_(model.hparams().n_head_kv),
      head_dim_(model.hparams().head_dim),
      kernels_(*kernels::best_kernels().decode_attention) {
  for (const DecodeSlot& slot : slots) {
    for (const LayerCache& layer : slot.sequence->cache.layers)
      max_group_ = std::max(max_group_, n_head_ / layer.n_head());
  }
  const int64_t room = max_group_ * (head_dim_ + 2) + head_dim_ +
                       kernels::decode_scratch_floats(max_group_, head_dim_);
  rooms_.resize(n_threads * room);
  partial_sums_.resize(2 * n_threads * max_group_ * (head_dim_ + 2));
}

DecodeAttention::Room DecodeAttention::room(int thread) {
  float* queries = rooms_.data() + thread * (rooms_.size() / n_threads_);
  float* row = queries + max_group_ * head_dim_;
  float* tops = row + head_dim_;
  return {queries, row, tops, tops + max_group_, tops + 2 * max_group_};
}

void DecodeAttention::add_heads(const Sequence& sequence, uint32_t l, int32_t slot,
                                Layer* layer) const {
  const LayerCache& cache = sequence.cache.layers[l];
  LayerMemory& memory = slots_[slot].sequence->memory[l];
  const bool by_index = sequence.plan->rotates_when_read();
  const auto first_row = [](QueryLog& log) { return log.keeps_any() ? log.slot(0) : nullptr; };
  for (int32_t h = 0; h < cache.n_head(); ++h) {
    Head head{&cache,
              slot,
              h,
              {},
              {},
              first_row(memory.raw),
              first_row(memory.rotated),
              memory.raw.head_stride(),
              memory.rotated.head_stride()};
    if (by_index) {
      head.at = turns_from(sequence.rope, cache.count(h) - 1);
      head.keys = turns_from(sequence.rope, 0);
    } else {
      head.at = turns_from(sequence.ahead, sequence.cache.next_position - 1 - sequence.first_ahead);
    }
    layer->heads.push_back(head);
  }
}

void DecodeAttention::place_partials(Layer* layer) {
  float* sums = partial_sums_.data();
  for (const HeadPart& part : layer->split.parts) {
    kernels::DecodePartial& partial = layer->partials.emplace_back();
    if (part.n_part == 1) continue;
    partial = {sums, sums + max_group_ * head_dim_, sums + max_group_ * (head_dim_ + 1)};
    sums += max_group_ * (head_dim_ + 2);
  }
}

ggml_tensor* DecodeAttention::attend(const GraphBuild& b, uint32_t l, const Qkv& raw) {
  Layer& layer = layers_.emplace_back();
  for (size_t s = 0; s < slots_.size(); ++s)
    add_heads(*slots_[s].sequence, l, static_cast<int32_t>(s), &layer);
  std::vector<int64_t> counts;
  for (const Head& head : layer.heads)
    counts.push_back(head.layer->count(head.index));
  layer.split = split_entries(counts, n_threads_, kAlign);
  layer.n_done = std::vector<std::atomic<int32_t>>(layer.heads.size());
  place_partials(&layer);
  const auto work = [this, &layer](ggml_tensor* dst, int thread, int n_thread) {
    for (int unit = thread; unit < n_threads_; unit += n_thread) {
      for (int32_t p = layer.split.first_part[unit]; p < layer.split.first_part[unit + 1]; ++p)
        run_part(*dst, layer, p, room(thread));
    }
  };
  ggml_tensor* const inputs[] = {raw.q, raw.k, raw.v};
  return b.node(GGML_TYPE_F32, n_head_ * head_dim_, static_cast<int64_t>(slots_.size()), 1, inputs,
                work);
}

void DecodeAttention::run_part(const ggml_tensor& dst, Layer& layer, int32_t part,
                               const Room& room) const {
  const HeadPart& p = layer.split.parts[part];
  const Head& head = layer.heads[p.head];
  const LayerCache& cache = *head.layer;
  const bool newest = p.last == cache.count(head.index);
  prepare_queries(*dst.src[0], head, newest, room.queries);
  if (newest) {
    store_newest(*dst.src[1], head, true, room.row);
    store_newest(*dst.src[2], head, false, room.row);
  }
  float* output = static_cast<float*>(dst.data) +
                  (head.slot * n_head_ + head.index * n_group(head)) * head_dim_;
  const auto first = static_cast<int32_t>(p.first);
  kernels::DecodePartial result = layer.partials[part];
  if (p.n_part == 1) result = {output, room.tops, room.totals};
  Turns keys = head.keys;
  if (keys.cos_sin != nullptr) keys.cos_sin += p.first * keys.n_rot;
  kernels_.attend({cache.k_row(head.index, first), cache.v_row(head.index, first),
                   cache.row_bytes(), row_type(cache.type()), p.last - p.first, head_dim_, keys,
                   room.queries, n_group(head), model_.attention_scale().logits, result.sums,
                   result.tops, result.totals, room.scratch});
  if (p.n_part == 1) return merge_parts(&result, 1, n_group(head), head_dim_, output);
  // What the others wrote is seen through this counter.
  if (layer.n_done[p.head].fetch_add(1, std::memory_order_acq_rel) + 1 < p.n_part) return;
  merge_parts(&layer.partials[part - p.index], p.n_part, n_group(head), head_dim_, output);
}

void DecodeAttention::prepare_queries(const ggml_tensor& q, const Head& head, bool newest,
                                      float* queries) const {
  const size_t bytes = head_dim_ * sizeof(float);
  const float scale = model_.attention_scale().queries;
  for (int64_t g = 0; g < n_group(head); ++g) {
    const int64_t at = head.index * n_group(head) + g;
    float* query = queries + g * head_dim_;
    std::memcpy(query, row_of(q, head.slot, at), bytes);
    if (newest && head.raw_log != nullptr)
      std::memcpy(head.raw_log + at * head.raw_stride, query, bytes);
    kernels_.turn(head.at, query);
    if (scale != 1.0f) {
      for (int64_t c = 0; c < head_dim_; ++c)
        query[c] *= scale;
    }
    if (newest && head.rotated_log != nullptr)
      std::memcpy(head.rotated_log + at * head.rotated_stride, query, bytes);
  }
}

void DecodeAttention::store_newest(const ggml_tensor& rows, const Head& head, bool is_key,
                                   float* row) const {
  const LayerCache& cache = *head.layer;
  const int64_t per_kv = cache.n_head() / n_head_kv_;
  const int32_t last = cache.count(head.index) - 1;
  std::memcpy(row, row_of(rows, head.slot, head.index / per_kv), head_dim_ * sizeof(float));
  const bool turns = is_key && head.keys.cos_sin == nullptr;
  if (turns) kernels_.turn(head.at, row);
  std::byte* to = is_key ? cache.k_row(head.index, last) : cache.v_row(head.index, last);
  ggml_get_type_traits_cpu(ggml_type_of(cache.type()))->from_float(row, to, head_dim_);
}

}  // namespace restkv
