#include "engine/prefill.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "core/parallel.h"
#include "engine/memory_plan.h"

namespace restkv {
namespace {

constexpr size_t kMaxHeadBytes = size_t{64} << 20;

double now_ms() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// End of the chunk that starts at `first`.
int64_t chunk_end(int64_t first, int64_t n_token) {
  const int64_t end = std::min(first + kChunk, n_token);
  return n_token - end < kMinChunk ? n_token : end;
}

class LayerMajorPrefill {
 public:
  LayerMajorPrefill(const Model& model, Compute& compute, const PrefillRequest& request,
                    const std::shared_ptr<KvMeter>& meter)
      : model_(model),
        hp_(model.hparams()),
        compute_(compute),
        request_(request),
        meter_(meter),
        n_token_(static_cast<int64_t>(request.tokens.size())) {}

  Result<PrefillResult> run() {
    const double start = now_ms();
    RESTKV_RETURN_IF_ERROR(allocate());
    RESTKV_RETURN_IF_ERROR(embed());
    for (uint32_t l = 0; l < hp_.n_layer; ++l)
      RESTKV_RETURN_IF_ERROR(run_layer(l));
    keys_ = {}, values_ = {};
    RESTKV_RETURN_IF_ERROR(run_head());
    result_.total_ms = now_ms() - start;
    return std::move(result_);
  }

 private:
  size_t row_elements() const { return size_t{hp_.n_head_kv} * hp_.head_dim; }

  Status allocate() {
    RESTKV_RETURN_IF_ERROR(check_memory(plan_memory(hp_, n_token_, request_.plans), n_token_));
    const size_t bytes = n_token_ * row_elements() * element_size(ElementType::f16);
    RESTKV_ASSIGN_OR_RETURN(keys_, KvBuffer::allocate(bytes, meter_));
    RESTKV_ASSIGN_OR_RETURN(values_, KvBuffer::allocate(bytes, meter_));
    hidden_.resize(n_token_ * hp_.n_embd);
    positions_.resize(n_token_);
    for (int64_t i = 0; i < n_token_; ++i)
      positions_[i] = static_cast<int32_t>(i);
    mask_.resize(n_token_ * std::min(n_token_, kMaxChunk));
    for (const CachePlan& plan : request_.plans) {
      if (!plan.evicts(n_token_)) continue;
      if (plan.needs(Statistic::window_queries)) n_query_ = std::max(n_query_, plan.window);
      needs_factor_ = needs_factor_ || plan.needs(Statistic::wo_factor);
    }
    queries_.resize(n_query_ * hp_.n_head * hp_.head_dim);
    if (needs_factor_) factor_.resize(size_t{hp_.n_head} * hp_.head_dim * hp_.head_dim);
    result_.caches.resize(request_.plans.size());
    for (KvCache& cache : result_.caches) {
      cache.meter = meter_;
      cache.next_position = static_cast<int32_t>(n_token_);
    }
    return {};
  }

  Status embed() {
    for (int64_t first = 0; first < n_token_; first = chunk_end(first, n_token_)) {
      const int64_t n = chunk_end(first, n_token_) - first;
      RESTKV_RETURN_IF_ERROR(compute_.run(16, [&](const GraphBuild& b) {
        const GraphContext g{b.ctx, hp_, nullptr};
        ggml_tensor* ids = b.wrap(GGML_TYPE_I32, request_.tokens.data() + first, n);
        b.expand(ggml_cpy(b.ctx, model_.embed(g, ids), hidden_rows(b, first, n)));
      }));
    }
    return {};
  }

  Status run_layer(uint32_t l) {
    for (int64_t first = 0; first < n_token_;) {
      const int64_t end = chunk_end(first, n_token_);
      RESTKV_RETURN_IF_ERROR(run_chunk(l, first, end - first));
      first = end;
      if (request_.on_progress) {
        request_.on_progress(
            {static_cast<int32_t>(l), static_cast<int32_t>(hp_.n_layer), first, n_token_});
      }
    }
    const double start = now_ms();
    RESTKV_RETURN_IF_ERROR(evict(l));
    result_.eviction_ms += now_ms() - start;
    return {};
  }

  Status run_chunk(uint32_t l, int64_t first, int64_t n) {
    fill_mask(first, n);
    return compute_.run(256, [&](const GraphBuild& b) {
      const GraphContext g{b.ctx, hp_, b.wrap(GGML_TYPE_I32, positions_.data() + first, n)};
      ggml_tensor* x = hidden_rows(b, first, n);
      const Attend attend = [&](ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, float scale) {
        attention_scale_ = scale;
        return attend_scratch(b, first, n, {q, k, v}, scale);
      };
      ggml_tensor* out = model_.family().layer(g, model_.layer(l), x, attend);
      b.expand(ggml_cpy(b.ctx, out, x));
    });
  }

  ggml_tensor* attend_scratch(const GraphBuild& b, int64_t first, int64_t n, Qkv qkv, float scale) {
    const int64_t d = hp_.head_dim, n_kv = first + n;
    const size_t row = row_elements() * element_size(ElementType::f16);
    const auto store = [&](ggml_tensor* from, const KvBuffer& to) {
      ggml_tensor* rows = b.wrap(GGML_TYPE_F16, to.data() + first * row, row_elements(), n);
      b.expand(ggml_cpy(b.ctx, ggml_reshape_2d(b.ctx, from, row_elements(), n), rows));
    };
    store(qkv.k, keys_);
    store(qkv.v, values_);
    observe_queries(b, qkv.q, first, n);
    const auto scratch = [&](const KvBuffer& from) {
      return b.wrap_strided(GGML_TYPE_F16, from.data(), d, n_kv, hp_.n_head_kv, row,
                            d * element_size(ElementType::f16));
    };
    ggml_tensor* mask = b.wrap(GGML_TYPE_F16, mask_.data(), n_kv, n);
    ggml_tensor* out = ggml_flash_attn_ext(b.ctx, ggml_permute(b.ctx, qkv.q, 0, 2, 1, 3),
                                           scratch(keys_), scratch(values_), mask, scale, 0, 0);
    ggml_prec_set_acc(out, GGML_PREC_F32);
    return ggml_reshape_2d(b.ctx, out, d * hp_.n_head, n);
  }

  // Keeps the rows of q [n][n_head][head_dim] that belong to the last n_query_ of the prompt.
  void observe_queries(const GraphBuild& b, ggml_tensor* q, int64_t first, int64_t n) {
    const int64_t d = hp_.head_dim, wanted_from = n_token_ - n_query_;
    const int64_t from = std::max(first, wanted_from);
    const int64_t n_row = first + n - from;
    if (n_query_ == 0 || n_row <= 0) return;
    ggml_tensor* rows =
        ggml_view_3d(b.ctx, q, d, hp_.n_head, n_row, q->nb[1], q->nb[2], (from - first) * q->nb[2]);
    float* to = queries_.data() + (from - wanted_from) * d;
    b.expand(ggml_cpy(b.ctx, ggml_permute(b.ctx, rows, 0, 2, 1, 3),
                      b.wrap_strided(GGML_TYPE_F32, to, d, n_row, hp_.n_head, d * sizeof(float),
                                     n_query_ * d * sizeof(float))));
  }

  // Query first + i sees the keys 0 .. first + i.
  void fill_mask(int64_t first, int64_t n) {
    const int64_t n_kv = first + n;
    const ggml_fp16_t hidden = ggml_fp32_to_fp16(-INFINITY);
    parallel_for(compute_.n_threads(), n, [&](int64_t i) {
      ggml_fp16_t* row = mask_.data() + i * n_kv;
      std::memset(row, 0, (first + i + 1) * sizeof(ggml_fp16_t));
      std::fill(row + first + i + 1, row + n_kv, hidden);
    });
  }

  Status evict(uint32_t l) {
    const int64_t d = hp_.head_dim;
    if (needs_factor_) build_projection_factors(l);
    LayerScratch scratch;
    scratch.layer = static_cast<int32_t>(l);
    scratch.n_layer = static_cast<int32_t>(hp_.n_layer);
    scratch.n_head = static_cast<int32_t>(hp_.n_head);
    scratch.n_head_kv = static_cast<int32_t>(hp_.n_head_kv);
    scratch.head_dim = static_cast<int32_t>(hp_.head_dim);
    scratch.n_token = n_token_;
    scratch.keys = keys_.data();
    scratch.values = values_.data();
    scratch.attention_scale = attention_scale_;
    scratch.n_query = n_query_;
    scratch.queries = {queries_.data(), {hp_.n_head, n_query_, d}};
    scratch.wo_factor = {factor_.data(), {hp_.n_head, d, d}};
    for (size_t i = 0; i < request_.plans.size(); ++i) {
      RESTKV_ASSIGN_OR_RETURN(LayerCache layer, compress_layer(request_.plans[i], scratch,
                                                               compute_.n_threads(), meter_));
      result_.caches[i].layers.push_back(std::move(layer));
    }
    return {};
  }

  void build_projection_factors(uint32_t l) {
    const int64_t d = hp_.head_dim;
    const std::vector<float> wo =
        model_.weights().dequantize("blk." + std::to_string(l) + ".attn_output.weight");
    parallel_for(compute_.n_threads(), hp_.n_head, [&](int64_t h) {
      projection_factor(wo.data() + h * d, hp_.n_embd, d, d * hp_.n_head,
                        factor_.data() + h * d * d);
    });
  }

  Status run_head() {
    if (!request_.on_logits) {
      return head_rows(n_token_ - 1, 1, &result_.last_logits);
    }
    const int64_t at_once = std::clamp<int64_t>(
        static_cast<int64_t>(kMaxHeadBytes / (size_t{hp_.n_vocab} * sizeof(float))), kMinChunk,
        kChunk);
    std::vector<float> logits;
    for (int64_t first = 0; first < n_token_; first += at_once) {
      const int64_t n = std::min(at_once, n_token_ - first);
      RESTKV_RETURN_IF_ERROR(head_rows(first, n, &logits));
      RESTKV_RETURN_IF_ERROR(request_.on_logits(first, {logits.data(), {n, hp_.n_vocab}}));
    }
    result_.last_logits.assign(logits.end() - hp_.n_vocab, logits.end());
    return {};
  }

  Status head_rows(int64_t first, int64_t n, std::vector<float>* logits) {
    logits->resize(n * hp_.n_vocab);
    RESTKV_RETURN_IF_ERROR(compute_.run(32, [&](const GraphBuild& b) {
      const GraphContext g{b.ctx, hp_, nullptr};
      ggml_tensor* rows = model_.head(g, hidden_rows(b, first, n));
      b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F32, logits->data(), hp_.n_vocab, n)));
    }));
    return check_logits(model_, *logits);
  }

  ggml_tensor* hidden_rows(const GraphBuild& b, int64_t first, int64_t n) {
    return b.wrap(GGML_TYPE_F32, hidden_.data() + first * hp_.n_embd, hp_.n_embd, n);
  }

  const Model& model_;
  const HParams& hp_;
  Compute& compute_;
  const PrefillRequest& request_;
  std::shared_ptr<KvMeter> meter_;
  const int64_t n_token_;

  KvBuffer keys_, values_;     // [n_token][n_head_kv][head_dim] f16: the layer's scratch
  std::vector<float> hidden_;  // [n_token][n_embd]
  std::vector<int32_t> positions_;
  std::vector<ggml_fp16_t> mask_;  // [chunk][n_kv]
  int64_t n_query_ = 0;            // the longest window that a plan observes
  std::vector<float> queries_;     // [n_head][n_query][head_dim]
  bool needs_factor_ = false;
  std::vector<float> factor_;  // [n_head][head_dim][head_dim]
  float attention_scale_ = 0.0f;
  PrefillResult result_;
};

}  // namespace

Result<PrefillResult> prefill(const Model& model, Compute& compute, const PrefillRequest& request,
                              const std::shared_ptr<KvMeter>& meter) {
  return LayerMajorPrefill(model, compute, request, meter).run();
}

Status check_logits(const Model& model, std::span<const float> logits) {
  for (const float x : logits) {
    if (!std::isfinite(x)) {
      return Status::model(
          model.path() + ": the logits are not finite: a weight is NaN or infinite, or too large");
    }
  }
  return {};
}

}  // namespace restkv
