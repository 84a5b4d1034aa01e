#include "bench/common/libllama.h"

#include <algorithm>

namespace restkv::bench {
namespace {

constexpr int32_t kBatch = 2048, kMicroBatch = 512;

}  // namespace

Result<std::unique_ptr<Libllama>> Libllama::load(const std::string& path, int n_threads) {
  llama_backend_init();
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  std::unique_ptr<Libllama> llama(new Libllama(n_threads));
  llama->model_.reset(llama_model_load_from_file(path.c_str(), params));
  if (!llama->model_) return Status::model(path + ": libllama does not load it");
  return llama;
}

Status Libllama::begin(int64_t n_ctx, Arithmetic arithmetic) {
  context_.reset();
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(n_ctx);
  params.n_batch = kBatch;
  params.n_ubatch = kMicroBatch;
  params.n_threads = params.n_threads_batch = n_threads_;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
  if (arithmetic == Arithmetic::exact) {
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.type_k = params.type_v = GGML_TYPE_F32;
  }
  context_.reset(llama_init_from_model(model_.get(), params));
  if (context_) return {};
  return Status::capacity("libllama makes no context of " + std::to_string(n_ctx) + " tokens");
}

Status Libllama::read(std::span<const int32_t> tokens) {
  for (size_t first = 0; first < tokens.size(); first += kBatch) {
    const size_t n = std::min<size_t>(kBatch, tokens.size() - first);
    // The batch only reads the tokens; its field is not const because it can also own them.
    auto* ids = const_cast<int32_t*>(tokens.data()) + first;
    const llama_batch batch = llama_batch_get_one(ids, static_cast<int32_t>(n));
    RESTKV_RETURN_IF_ERROR(decode(batch));
  }
  llama_synchronize(context_.get());
  return {};
}

Status Libllama::read_all(std::span<const int32_t> tokens, const OnLogits& on_logits) {
  const auto n_token = static_cast<int64_t>(tokens.size());
  std::vector<int8_t> wanted(kMicroBatch, 1);
  for (int64_t first = 0; first < n_token; first += kMicroBatch) {
    const int64_t n = std::min<int64_t>(kMicroBatch, n_token - first);
    auto* ids = const_cast<int32_t*>(tokens.data()) + first;
    llama_batch batch = llama_batch_get_one(ids, static_cast<int32_t>(n));
    batch.logits = wanted.data();
    RESTKV_RETURN_IF_ERROR(decode(batch));
    const float* logits = llama_get_logits(context_.get());
    RESTKV_RETURN_IF_ERROR(on_logits(first, {logits, {n, n_vocab()}}));
  }
  return {};
}

Status Libllama::decode(const llama_batch& batch) {
  const int32_t failed = llama_decode(context_.get(), batch);
  if (failed == 0) return {};
  return Status::runtime("llama_decode returned " + std::to_string(failed));
}

std::span<const float> Libllama::logits() const {
  return {llama_get_logits_ith(context_.get(), -1), static_cast<size_t>(n_vocab())};
}

Status Libllama::keep_first(int64_t n) {
  llama_memory_t memory = llama_get_memory(context_.get());
  if (llama_memory_seq_rm(memory, 0, static_cast<llama_pos>(n), -1)) return {};
  return Status::runtime("libllama does not take tokens back from its cache");
}

}  // namespace restkv::bench
