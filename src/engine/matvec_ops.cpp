#include "engine/matvec_ops.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "core/cpu.h"
#include "kernels/dispatch.h"

namespace restkv {
namespace {

using kernels::Activations;

// Weights that a thread takes at a time: much more than the taking costs, little enough that the
// threads end together.
constexpr int64_t kBytesAtOnce = 48 << 10;
// Values of a gated vector that one thread rounds once all of them are there.
constexpr int64_t kRounded = kernels::kActivationBlock;

const kernels::MatvecKernels& best() {
  return *kernels::best_kernels().matvec;
}

bool is_quantized(const Linear& w) {
  using kernels::WeightType;
  const auto type = static_cast<WeightType>(w.weight.file->type);
  return type != WeightType::f32 && type != WeightType::f16 && type != WeightType::bf16;
}

bool supports(const Linear& w) {
  return kernels::is_weight_type(w.weight.file->type) && (!is_quantized(w) || w.n_in() % 32 == 0);
}

kernels::WeightRows rows_of(const Linear& w) {
  const ggml_tensor* t = w.weight.file;
  return {t->data, static_cast<kernels::WeightType>(t->type), static_cast<int64_t>(t->nb[1]),
          t->ne[0]};
}

const float* floats_of(const ggml_tensor* t) {
  return t == nullptr ? nullptr : static_cast<const float*>(t->data);
}

int64_t rows_at_once(const Linear& w) {
  return std::max<int64_t>(16, kBytesAtOnce / static_cast<int64_t>(w.weight.file->nb[1]));
}

// Pieces of the rows of several matrices, one matrix after the other, that threads take in turn.
class Pieces {
 public:
  struct Piece {
    size_t part;
    int64_t first, n;
  };
  void add(size_t part, int64_t n_row, int64_t at_once) {
    for (int64_t first = 0; first < n_row; first += at_once)
      pieces_.push_back({part, first, std::min(at_once, n_row - first)});
  }
  // False: none is left.
  bool take(Piece* piece) {
    const size_t i = next_++;
    if (i >= pieces_.size()) return false;
    *piece = pieces_[i];
    return true;
  }

 private:
  std::vector<Piece> pieces_;
  std::atomic<size_t> next_{0};
};

// Any number of vectors: the weights of a piece stay in the cache from one group to the next.
void multiply_rows(kernels::MatvecArgs args, int64_t first, int64_t n_row) {
  const int64_t k = args.weights.k;
  for (int64_t left = args.n_vector; left > 0; left -= args.n_vector) {
    args.n_vector = std::min(left, kernels::kMaxVectors);
    best().rows(args, first, n_row);
    if (args.activations) args.activations += args.n_vector * kernels::n_activation_block(k);
    if (args.floats) args.floats += args.n_vector * args.float_stride;
    if (args.residual) args.residual += args.n_vector * args.out_stride;
    args.out += args.n_vector * args.out_stride;
  }
}

}  // namespace

// The vectors as the products want them, a copy for each thread.
struct MatvecOps::Vectors {
  Input in;
  int64_t n_vector = 0;
  bool quantized = false;
  std::vector<Activations> activations{};  // [n_threads][n_vector][n_activation_block(k)]
  std::vector<float> floats{};             // [n_threads][n_vector][k]

  // Fills the thread's copy and points args to it.
  void prepare(int thread, kernels::MatvecArgs* args) {
    const int64_t k = in.k, n_block = kernels::n_activation_block(k);
    args->n_vector = n_vector;
    if (in.rounded) {
      args->activations = static_cast<const Activations*>(in.x->data);
      return;
    }
    Activations* rounded = activations.data() + thread * n_vector * n_block;
    float* normed = floats.data() + thread * n_vector * k;
    for (int64_t i = 0; i < n_vector; ++i) {
      const auto* x = reinterpret_cast<const float*>(static_cast<const std::byte*>(in.x->data) +
                                                     i * in.x->nb[1]);
      if (quantized) {
        in.norm == nullptr
            ? best().quantize(x, k, rounded + i * n_block)
            : best().rms_norm_quantize(x, floats_of(in.norm), in.eps, k, rounded + i * n_block);
      } else if (in.norm == nullptr) {
        std::copy_n(x, k, normed + i * k);
      } else {
        best().rms_norm(x, floats_of(in.norm), in.eps, k, normed + i * k);
      }
    }
    args->activations = rounded;
    args->floats = normed;
    args->float_stride = k;
  }
};

bool MatvecOps::available() {
  // On older CPUs ggml's packed weights are not slower.
  return cpu_has_avx512_bf16();
}

// Only a name for the product: the node that needs it norms.
ggml_tensor* MatvecOps::norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) const {
  ggml_tensor* name = ggml_view_tensor(g.ctx, x);
  pending_[name] = {.x = x, .norm = weight, .eps = g.hparams.rms_eps, .k = x->ne[0]};
  return name;
}

MatvecOps::Input MatvecOps::input(const GraphContext& g, ggml_tensor* x, int64_t k) const {
  const auto found = pending_.find(x);
  if (found != pending_.end()) return found->second;
  return {.x = x, .eps = g.hparams.rms_eps, .k = k};
}

// As an operand of ggml's, for weights that no kernel of ours reads.
ggml_tensor* MatvecOps::plain(const GraphContext& g, const Input& in) const {
  return in.norm == nullptr ? in.x : rms_norm(g, in.x, in.norm);
}

std::shared_ptr<MatvecOps::Vectors> MatvecOps::vectors(const Input& in, bool quantized) const {
  auto made =
      std::make_shared<Vectors>(Vectors{.in = in, .n_vector = n_vector_, .quantized = quantized});
  if (in.rounded) return made;
  const int64_t copies = build_.n_threads * n_vector_;
  if (quantized) made->activations.resize(copies * kernels::n_activation_block(in.k));
  if (!quantized) made->floats.resize(copies * in.k);
  return made;
}

// [n_vector][sum of n_out]: all parts of the same kind, quantised or not.
ggml_tensor* MatvecOps::multiply(const Input& in, std::span<const Linear* const> parts,
                                 ggml_tensor* residual) const {
  int64_t n_column = 0;
  auto pieces = std::make_shared<Pieces>();
  std::vector<std::pair<Linear, int64_t>> columns;  // where each part's result begins
  for (size_t p = 0; p < parts.size(); ++p) {
    pieces->add(p, parts[p]->n_out(), rows_at_once(*parts[p]));
    columns.emplace_back(*parts[p], n_column);
    n_column += parts[p]->n_out();
  }
  const auto x = vectors(in, is_quantized(*parts[0]));
  std::vector<ggml_tensor*> inputs{in.x};
  if (residual != nullptr) inputs.push_back(residual);
  return build_.node(GGML_TYPE_F32, n_column, n_vector_, 1, inputs,
                     [=](ggml_tensor* dst, int thread, int) {
                       kernels::MatvecArgs args;
                       Pieces::Piece piece;
                       for (bool prepared = false; pieces->take(&piece); prepared = true) {
                         if (!prepared) x->prepare(thread, &args);
                         const auto& [part, column] = columns[piece.part];
                         args.weights = rows_of(part);
                         args.out = static_cast<float*>(dst->data) + column;
                         args.out_stride = dst->ne[0];
                         args.bias = floats_of(part.bias);
                         args.residual = floats_of(residual);
                         multiply_rows(args, piece.first, piece.n);
                       }
                     });
}

Qkv MatvecOps::project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                           bool) const {
  const Input in = input(g, x, w.q.n_in());
  const bool same =
      is_quantized(w.q) == is_quantized(w.k) && is_quantized(w.k) == is_quantized(w.v);
  if (!same || !supports(w.q) || !supports(w.k) || !supports(w.v)) {
    return ggml_ops().project_qkv(g, w, plain(g, in));
  }
  const std::array<const Linear*, 3> parts{&w.q, &w.k, &w.v};
  ggml_tensor* all = multiply(in, parts, nullptr);
  const HParams& hp = g.hparams;
  int64_t column = 0;
  const auto heads = [&](const Linear& part, int64_t n_head) {
    const int64_t first = column;
    column += part.n_out();
    return ggml_view_3d(g.ctx, all, hp.head_dim, n_head, n_vector_, hp.head_dim * sizeof(float),
                        all->nb[1], first * sizeof(float));
  };
  ggml_tensor* q = heads(w.q, hp.n_head);
  ggml_tensor* k = heads(w.k, hp.n_head_kv);
  return {q, k, heads(w.v, hp.n_head_kv)};
}

ggml_tensor* MatvecOps::add_linear(const GraphContext& g, const Linear& w, ggml_tensor* x,
                                   ggml_tensor* residual) const {
  const Input in = input(g, x, w.n_in());
  if (!supports(w)) return ggml_ops().add_linear(g, w, plain(g, in), residual);
  const Linear* part = &w;
  return multiply(in, {&part, 1}, residual);
}

// Threads take pieces of gate and up together; the one that completes 256 values rounds them for
// the product with `down`.
ggml_tensor* MatvecOps::gated(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                              GatedUnit unit) const {
  const Input in = input(g, x, w.gate.n_in());
  const int64_t n_ff = w.gate.n_out(), n_vector = n_vector_;
  const bool all_quantized = is_quantized(w.gate) && is_quantized(w.up) && is_quantized(w.down);
  if (!all_quantized || !supports(w.gate) || !supports(w.up) || !supports(w.down)) {
    return ggml_ops().gated(g, w, plain(g, in), unit);
  }
  struct Work {
    Linear gate, up;
    Pieces pieces;
    std::vector<float> products;             // [2][n_vector][n_ff]
    std::vector<std::atomic<int64_t>> done;  // values of each block
  };
  const int64_t n_block = kernels::n_activation_block(n_ff);
  auto work = std::make_shared<Work>();
  work->gate = w.gate;
  work->up = w.up;
  work->products.resize(2 * n_vector * n_ff);
  work->done = std::vector<std::atomic<int64_t>>(n_block);
  for (int64_t first = 0; first < n_ff; first += kRounded / 4)
    work->pieces.add(first, std::min(kRounded / 4, n_ff - first), kRounded);
  const auto vectors = this->vectors(in, true);
  const auto act = unit == GatedUnit::swiglu ? best().silu_mul_quantize : best().gelu_mul_quantize;
  ggml_tensor* y = build_.node(
      GGML_TYPE_I8, n_block * static_cast<int64_t>(sizeof(Activations)), n_vector, 1,
      std::array{in.x}, [=](ggml_tensor* dst, int thread, int) {
        kernels::MatvecArgs args;
        Pieces::Piece piece;
        args.out_stride = n_ff;
        for (bool prepared = false; work->pieces.take(&piece); prepared = true) {
          if (!prepared) vectors->prepare(thread, &args);
          const auto first = static_cast<int64_t>(piece.part);
          for (const Linear* part : {&work->gate, &work->up}) {
            args.weights = rows_of(*part);
            args.bias = floats_of(part->bias);
            args.out = work->products.data() + (part == &work->gate ? 0 : n_vector * n_ff);
            multiply_rows(args, first, piece.n);
          }
          const int64_t block = first / kRounded, begin = block * kRounded;
          const int64_t size = std::min(kRounded, n_ff - begin);
          if ((work->done[block] += piece.n) < size) continue;
          for (int64_t i = 0; i < n_vector; ++i) {
            const float* gate = work->products.data() + i * n_ff + begin;
            act(gate, gate + n_vector * n_ff, size,
                static_cast<Activations*>(dst->data) + i * n_block + block);
          }
        }
      });
  pending_[y] = {.x = y, .rounded = true, .k = n_ff};
  return y;
}

}  // namespace restkv
