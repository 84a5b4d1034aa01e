#include "engine/tile_attention.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include "core/align.h"
#include "kernels/dispatch.h"

namespace restkv {
namespace {

const kernels::PrefillAttentionKernels& best() {
  return *kernels::best_kernels().prefill_attention;
}

using Clock = std::chrono::steady_clock;

// The time from the first thread's arrival at some nodes until the last one leaves them.
class Span {
 public:
  void arrive() {
    int64_t none = 0;
    start_.compare_exchange_strong(none, now());
  }
  // Nanoseconds, for the last of n_thread; 0 for the others.
  int64_t leave(int n_thread) { return ++n_left_ == n_thread ? now() - start_ : 0; }

 private:
  static int64_t now() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }
  std::atomic<int64_t> start_{0};
  std::atomic<int> n_left_{0};
};

}  // namespace

// What the nodes of a store head share.
struct TileAttention::Task {
  kernels::PackKeys pack;
  kernels::PrefillAttention attention;
  std::atomic<int64_t> next_block{0}, next_unit{0}, next_row{0}, next_column{0};
  Span columns;
};

namespace {

// Where the chunk's tensors lie is known only once the graph runs.
kernels::PrefillAttention located(kernels::PrefillAttention args, int64_t first_head,
                                  const ggml_tensor* queries, ggml_tensor* out) {
  args.queries.data = static_cast<const float*>(queries->data);
  const int64_t column = first_head * args.output_head_stride;
  if (out->type == GGML_TYPE_F32) {
    args.output = static_cast<float*>(out->data) + column;
  } else {
    args.output_bf16 = static_cast<uint16_t*>(out->data) + column;
  }
  return args;
}

}  // namespace

bool TileAttention::available() {
  return kernels::has_vector_kernels();
}

size_t TileAttention::packed_bytes(int64_t n_key, int64_t head_dim) {
  return best().packed_bytes(n_key, head_dim);
}

Status TileAttention::allocate(int64_t n_key, int64_t head_dim, int n_threads,
                               const std::shared_ptr<KvMeter>& meter) {
  // Pages are aligned to more than the kernel asks for.
  RESTKV_ASSIGN_OR_RETURN(packed_, KvBuffer::allocate(packed_bytes(n_key, head_dim), meter));
  scratch_.assign(n_threads, std::vector<std::byte>(best().scratch_bytes(head_dim) + 64));
  return {};
}

void TileAttention::attend(const GraphBuild& b, const StoreHead& head, ggml_tensor* queries,
                           ggml_tensor* out) {
  const int64_t n_key = head.keys.n_row, n_row = queries->ne[2], d = queries->ne[0];
  auto task = std::make_shared<Task>();
  task->pack = {head.keys, head.values, n_key, packed_.data()};
  task->attention = {
      .packed = packed_.data(),
      .queries = {.row_stride = static_cast<int64_t>(queries->nb[2] / sizeof(float)),
                  .head_stride = static_cast<int64_t>(queries->nb[1] / sizeof(float)),
                  .n_head = queries->ne[1],
                  .n_row = n_row,
                  .head_dim = d,
                  .scale = head.scale,
                  .n_key = n_key,
                  .first_visible = n_key - n_row + 1},
      .selection = head.selection,
      .output_row_stride = out->ne[0],
      .output_head_stride = d};
  if (head.column_sums != nullptr) {
    lse_.resize(queries->ne[1] * n_row);
    // That of a selection is not the whole row's.
    if (head.selection.offsets == nullptr) task->attention.lse = lse_.data();
  }
  b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, std::array{queries}, [task](ggml_tensor*, int, int) {
    constexpr int64_t kAtOnce = 8;
    const int64_t n_block = kernels::n_key_blocks(task->pack.n_key);
    for (int64_t i; (i = task->next_block.fetch_add(kAtOnce)) < n_block;)
      best().pack(task->pack, i, std::min(kAtOnce, n_block - i));
  }));
  const int64_t first_head = head.first_head;
  b.expand(
      b.node(GGML_TYPE_I8, 1, 1, 1, std::array{queries}, [=, this](ggml_tensor*, int thread, int) {
        const auto args = located(task->attention, first_head, queries, out);
        const int64_t n_unit = kernels::n_attend_units(args.queries);
        // The last query blocks see most: they go first.
        for (int64_t i; (i = task->next_unit++) < n_unit;)
          best().attend(args, n_unit - 1 - i, align_up(scratch_[thread].data()));
      }));
  if (head.column_sums != nullptr) sum_columns(b, head, task, queries);
}

// While the keys are packed: a second sweep, and where attention was sparse one before it for the
// whole rows' log-sum-exp.
void TileAttention::sum_columns(const GraphBuild& b, const StoreHead& head,
                                const std::shared_ptr<Task>& task, ggml_tensor* queries) {
  if (head.selection.offsets != nullptr) {
    b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, std::array{queries},
                    [=, this](ggml_tensor*, int thread, int) {
                      task->columns.arrive();
                      kernels::PrefillAttention args = task->attention;
                      args.queries.data = static_cast<const float*>(queries->data);
                      args.selection = {};
                      args.lse = lse_.data();
                      const int64_t n_unit = kernels::n_attend_units(args.queries);
                      for (int64_t i; (i = task->next_row++) < n_unit;)
                        best().log_sum_exp(args, n_unit - 1 - i, align_up(scratch_[thread].data()));
                    }));
  }
  double* sums = head.column_sums;
  const int64_t stride = head.column_stride;
  b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, std::array{queries},
                  [=, this](ggml_tensor*, int thread, int n_thread) {
                    task->columns.arrive();
                    kernels::ColumnSums args{task->attention.packed, task->attention.queries,
                                             lse_.data(), sums, stride};
                    args.queries.data = static_cast<const float*>(queries->data);
                    const int64_t n_unit = kernels::n_column_units(args.queries);
                    for (int64_t i; (i = task->next_column++) < n_unit;)
                      best().column_sums(args, i, align_up(scratch_[thread].data()));
                    const int64_t ns = task->columns.leave(n_thread);
                    if (ns > 0) column_ms_ += static_cast<double>(ns) * 1e-6;
                  }));
}

}  // namespace restkv
