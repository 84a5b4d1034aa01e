// The prefill kernels for one kind of cells; see prefill_cells_simd.h.
#pragma once

#include "kernels/prefill_tile_simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <class Cells>
class PrefillKernels {
  static constexpr int kLanes = Cells::kLanes;
  static constexpr int kVectors = kKeyBlock / kLanes;
  using F = typename Cells::F;
  using I = typename Simd<kLanes>::I;
  using U = typename Cells::U;
  using Pack = PrefillPack<Cells>;
  using Tile = QueryTile<Cells>;
  static constexpr float kLn2 = 0.693147181f;
  // A row's maximum may lag behind until weights are this large: floats bear it.
  static constexpr float kLargest = 0x1p60f;
  static constexpr float kNoMax = -1e30f;  // finite: -inf - kNoMax is no NaN

 public:
  static void attend(const PrefillAttention& args, int64_t unit, void* scratch) {
    sweep<true>(args, unit, scratch);
  }

  static void log_sum_exp(const PrefillAttention& args, int64_t unit, void* scratch) {
    sweep<false>(args, unit, scratch);
  }

  static void column_sums(const ColumnSums& args, int64_t unit, void* scratch) {
    const int64_t head = unit % args.queries.n_head;
    const int64_t begin = unit / args.queries.n_head * kColumnSpan;
    const typename Cells::Session session;
    Tile tile(args.queries, scratch);
    for (int64_t first = 0; first < args.queries.n_row; first += kQueryBlock) {
      tile.first_row = first;
      tile.n_row = smaller(kQueryBlock, args.queries.n_row - first);
      const KeyRange seen = tile.blocks();
      const int64_t end = smaller(seen.end, begin + kColumnSpan);
      if (larger(begin, seen.begin) >= end) continue;
      tile.load_rows(head, first);
      for (int64_t b = larger(begin, seen.begin); b < end; ++b)
        add_block_columns(tile, args, head, b);
    }
  }

  static constexpr PrefillAttentionKernels table() {
    return {Pack::packed_bytes, Tile::scratch_bytes, Pack::pack, attend, log_sum_exp, column_sums};
  }

 private:
  static const uint32_t* block_of(const void* packed, const Tile& tile, int64_t block) {
    return static_cast<const uint32_t*>(packed) + block * tile.layout.cells();
  }

  template <bool kValues>
  static void sweep(const PrefillAttention& args, int64_t unit, void* scratch) {
    const int64_t n_block = (args.queries.n_row + kQueryBlock - 1) / kQueryBlock;
    const int64_t head = unit / n_block;
    const typename Cells::Session session;
    Tile tile(args.queries, scratch);
    tile.load_rows(head, unit % n_block * kQueryBlock);
    for (int64_t i = 0; kValues && i < kQueryBlock * tile.layout.width; i += kLanes)
      store(tile.output + i, F{});
    for (int64_t r = 0; r < kQueryBlock; ++r) {
      tile.row_max[r] = kNoMax;
      tile.offset[r] = 0.0f;
      store(tile.row_sum + r * kLanes, F{});
    }
    const KeyRange seen = tile.blocks();
    if (args.selection.offsets == nullptr) {
      for (int64_t b = seen.begin; b < seen.end; ++b)
        add_block<kValues>(tile, args.packed, b, b + 1 < seen.end ? b + 1 : b);
    } else {
      const int32_t* last = args.selection.blocks + args.selection.offsets[unit + 1];
      for (const int32_t* b = args.selection.blocks + args.selection.offsets[unit]; b < last; ++b) {
        if (*b < seen.begin || *b >= seen.end) continue;
        add_block<kValues>(tile, args.packed, *b, b + 1 < last ? b[1] : *b);
      }
    }
    finish<kValues>(args, tile, head);
  }

  // The keys of a block that rows group .. group + count - 1 see, and whether all see all of it.
  struct GroupSight {
    KeyRange keys;
    bool whole;
  };
  static GroupSight group_sight(const Tile& tile, int64_t block, int64_t group, int64_t count) {
    const int64_t first = block * kKeyBlock;
    const KeyRange top = tile.sight(group);
    const KeyRange bottom = tile.sight(group + count - 1);
    return {{larger(top.begin - first, 0), smaller(bottom.end - first, kKeyBlock)},
            bottom.begin <= first && top.end >= first + kKeyBlock};
  }

  template <bool kValues>
  static void add_block(Tile& tile, const void* packed, int64_t b, int64_t next) {
    const uint32_t* block = block_of(packed, tile, b);
    tile.multiply_mean(block);
    for (int64_t group = 0; group < tile.n_row; group += Tile::kGroup) {
      const int64_t count = smaller(Tile::kGroup, tile.n_row - group);
      const GroupSight sight = group_sight(tile, b, group, count);
      if (sight.keys.begin >= sight.keys.end) continue;
      tile.multiply_keys(block, group, sight.keys);
      for (int64_t r = 0; r < count; ++r) {
        prefetch(block_of(packed, tile, next), group + r, tile.layout.cells());
        if (sight.whole) {
          weigh_row<false, kValues>(tile, group + r, b, tile.logits + r * kKeyBlock);
        } else {
          weigh_row<true, kValues>(tile, group + r, b, tile.logits + r * kKeyBlock);
        }
      }
      if (kValues) tile.multiply_values(block, group, sight.keys);
    }
  }

  // A row's share of the next block on its way into the second-level cache: all at once would fill
  // the queue of misses.
  [[gnu::always_inline]] static inline void prefetch(const uint32_t* block, int64_t row,
                                                     int64_t n_cell) {
    const int64_t share = n_cell / kQueryBlock;
    for (int64_t i = 0; i < share; i += 16)
      __builtin_prefetch(block + row * share + i, 0, 2);
  }

  [[gnu::always_inline]] static inline F hide(F logits, int64_t column, KeyRange seen) {
    I key;
    for (int i = 0; i < kLanes; ++i)
      key[i] = static_cast<int32_t>(i + column);
    const F hidden = F{} - __builtin_inff();
    const F above = key < static_cast<int32_t>(seen.end) ? logits : hidden;
    return key >= static_cast<int32_t>(seen.begin) ? above : hidden;
  }

  // Keys that a row sees, counted from the start of a block and kept within 32 bits.
  static KeyRange seen_of(const Tile& tile, int64_t r, int64_t block) {
    const KeyRange sight = tile.sight(r);
    return {larger(sight.begin - block * kKeyBlock, 0),
            smaller(larger(sight.end - block * kKeyBlock, 0), kKeyBlock)};
  }

  // Logits to weights relative to 2^row_max, as cells in the same place. Where they come out too
  // large the maximum is stale, or was never set, and they are computed again.
  template <bool kMasked, bool kValues>
  [[gnu::always_inline]] static inline void weigh_row(Tile& tile, int64_t r, int64_t block,
                                                      float* logits) {
    const KeyRange seen = kMasked ? seen_of(tile, r, block) : KeyRange{};
    F x[kVectors];
    F sum = weights<kMasked>(logits, seen, tile.offset[r] - tile.row_max[r], x);
    sum += load<F>(tile.row_sum + r * kLanes);
    if (Cells::any_above(sum, kLargest)) [[unlikely]] {
      raise_max<kMasked, kValues>(tile, r, logits, seen);
      sum = weights<kMasked>(logits, seen, tile.offset[r] - tile.row_max[r], x);
      sum += load<F>(tile.row_sum + r * kLanes);
    }
    store(tile.row_sum + r * kLanes, sum);
    if (kValues) store_weights(x, reinterpret_cast<uint32_t*>(logits));
  }

  // x = 2^(logits + shift); returns their sums by lane.
  template <bool kMasked>
  [[gnu::always_inline]] static inline F weights(const float* logits, KeyRange seen, float shift,
                                                 F (&x)[kVectors]) {
    F sum[2] = {};
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) {
      F logit = load<F>(logits + i * kLanes);
      if (kMasked) logit = hide(logit, i * kLanes, seen);
      x[i] = Cells::exp2_sum(logit, F{} + shift);
      sum[i % 2] = i < 2 ? x[i] : sum[i % 2] + x[i];
    }
    return sum[0] + sum[1];
  }

  [[gnu::always_inline]] static inline void store_weights(const F (&x)[kVectors], uint32_t* out) {
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; i += Cells::kPerCell) {
      F values[Cells::kPerCell];
      for (int j = 0; j < Cells::kPerCell; ++j)
        values[j] = x[i + j];
      store(out + i / Cells::kPerCell * kLanes, Cells::to_cells(values));
    }
  }

  template <bool kMasked, bool kValues>
  [[gnu::noinline]] static void raise_max(Tile& tile, int64_t r, const float* logits,
                                          KeyRange seen) {
    F top = F{} - __builtin_inff();
    for (int i = 0; i < kVectors; ++i) {
      const F logit = load<F>(logits + i * kLanes);
      top = Cells::max(top, kMasked ? hide(logit, i * kLanes, seen) : logit);
    }
    const float largest = max_lane<kLanes>(top) + tile.offset[r];
    if (!(largest > tile.row_max[r])) return;
    const F factor = Cells::exp2_sum(F{} + tile.row_max[r], F{} - largest);
    tile.row_max[r] = largest;
    store(tile.row_sum + r * kLanes, load<F>(tile.row_sum + r * kLanes) * factor);
    float* out = tile.output + r * tile.layout.width;
    for (int64_t c = 0; kValues && c < tile.layout.width; c += kLanes)
      store(out + c, load<F>(out + c) * factor);
  }

  template <bool kValues>
  static void finish(const PrefillAttention& args, const Tile& tile, int64_t head) {
    for (int64_t r = 0; r < tile.n_row; ++r) {
      const float total = lane_sum(load<F>(tile.row_sum + r * kLanes));
      const int64_t row = tile.first_row + r;
      if (args.lse != nullptr) {
        args.lse[head * args.queries.n_row + row] =
            total > 0.0f ? (tile.row_max[r] + __builtin_log2f(total)) * kLn2 : -__builtin_inff();
      }
      if (!kValues) continue;
      const float share = total > 0.0f ? 1.0f / total : 0.0f;
      const int64_t offset = head * args.output_head_stride + row * args.output_row_stride;
      write_row(args, tile.output + r * tile.layout.width, share, offset);
    }
  }

  static void write_row(const PrefillAttention& args, const float* sums, float share,
                        int64_t offset) {
    typedef uint16_t H __attribute__((vector_size(2 * kLanes)));
    for (int64_t c = 0; c < args.queries.head_dim; c += kLanes) {
      const int64_t count = smaller(kLanes, args.queries.head_dim - c);
      const F value = load<F>(sums + c) * share;
      const U bits = (U)value;
      const H rounded = __builtin_convertvector((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, H);
      if (args.output != nullptr) store_some(args.output + offset + c, value, count);
      if (args.output_bf16 != nullptr) store_some(args.output_bf16 + offset + c, rounded, count);
    }
  }

  template <typename V, typename T>
  [[gnu::always_inline]] static inline void store_some(T* out, V values, int64_t count) {
    if (count == kLanes) return store(out, values);
    for (int64_t i = 0; i < count; ++i)
      out[i] = values[i];
  }

  static void add_block_columns(Tile& tile, const ColumnSums& args, int64_t head, int64_t b) {
    const uint32_t* block = block_of(args.packed, tile, b);
    for (int64_t r = 0; r < kQueryBlock; ++r)
      tile.offset[r] = 0.0f;
    tile.multiply_mean(block);
    const float* lse = args.lse + head * args.queries.n_row + tile.first_row;
    for (int64_t r = 0; r < tile.n_row; ++r) {
      const bool empty = lse[r] == -__builtin_inff();
      tile.offset[r] = empty ? lse[r] : tile.offset[r] - lse[r] / kLn2;
    }
    for (int i = 0; i < kVectors; ++i)
      store(tile.sums + i * kLanes, F{});
    for (int64_t group = 0; group < tile.n_row; group += Tile::kGroup) {
      const int64_t count = smaller(Tile::kGroup, tile.n_row - group);
      const GroupSight sight = group_sight(tile, b, group, count);
      if (sight.keys.begin >= sight.keys.end) continue;
      tile.multiply_keys(block, group, sight.keys);
      if (sight.whole) {
        add_group_columns<false>(tile, b, group, count);
      } else {
        add_group_columns<true>(tile, b, group, count);
      }
    }
    double* out = args.sums + head * args.stride + b * kKeyBlock;
    for (int64_t j = 0; j < smaller(kKeyBlock, args.queries.n_key - b * kKeyBlock); ++j)
      out[j] += tile.sums[j];
  }

  template <bool kMasked>
  static void add_group_columns(const Tile& tile, int64_t block, int64_t group, int64_t count) {
    for (int i = 0; i < kVectors; i += 2) {
      F sum[2] = {load<F>(tile.sums + i * kLanes), load<F>(tile.sums + (i + 1) * kLanes)};
      for (int64_t r = 0; r < count; ++r) {
        const KeyRange seen = kMasked ? seen_of(tile, group + r, block) : KeyRange{};
        for (int j = 0; j < 2; ++j) {
          F x = load<F>(tile.logits + r * kKeyBlock + (i + j) * kLanes);
          if (kMasked) x = hide(x, (i + j) * kLanes, seen);
          sum[j] += Cells::exp2_sum(x, F{} + tile.offset[group + r]);
        }
      }
      store(tile.sums + i * kLanes, sum[0]);
      store(tile.sums + (i + 1) * kLanes, sum[1]);
    }
  }
};

}  // namespace
}  // namespace restkv::kernels
