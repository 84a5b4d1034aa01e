#include "bench/common/libllama.h"
#include "bench/common/text.h"
#include "bench/memory/memory.h"
#include "engine/decode.h"
#include "engine/prefill.h"

namespace restkv::bench {
namespace {

constexpr int64_t kSteps = 32;  // decoded behind the prompt

Result<ReaderReport> read_restkv(const ReaderTask& task) {
  RESTKV_ASSIGN_OR_RETURN(const auto plan, CachePlan::make(task.config));
  RESTKV_ASSIGN_OR_RETURN(const auto model, Model::load(task.model, {}, task.kernels));
  RESTKV_ASSIGN_OR_RETURN(const auto compute,
                          Compute::create(task.n_threads, nullptr, task.kernels));
  RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> text,
                          prompt_of(model->tokenizer(), task.text, task.prompt_tokens + kSteps));
  const auto meter = std::make_shared<KvMeter>();
  const ReadRequest request{.tokens = std::span(text).first(task.prompt_tokens)};
  RESTKV_ASSIGN_OR_RETURN(PrefillResult read,
                          prefill(*model, *compute, request, {&plan, 1}, meter));
  Sequence& sequence = read.sequences[0];
  const HParams& hp = model->hparams();
  ReaderReport report{.entries = sequence.cache.n_entry()};
  RESTKV_ASSIGN_OR_RETURN(report.planned, planned_entries(*plan, hp, task.prompt_tokens));
  report.as_planned = kept_as_planned(*plan, report.entries, report.planned);
  report.kv_peak_bytes = static_cast<int64_t>(meter->peak_bytes());
  report.kv_bytes = static_cast<int64_t>(sequence.cache.used_bytes());
  report.kv_layer_bytes = int64_t{4} * hp.n_head_kv * hp.head_dim * task.prompt_tokens;
  report.kv_full_bytes = report.kv_layer_bytes * hp.n_layer;
  report.logits = std::move(read.read.last_logits);
  std::vector<float> logits;
  for (int64_t s = 0; s < kSteps; ++s) {
    const DecodeSlot slot{&sequence, text[task.prompt_tokens + s]};
    RESTKV_RETURN_IF_ERROR(decode(*model, *compute, {&slot, 1}, &logits));
  }
  return report;
}

Result<std::vector<int32_t>> tokenize(const ReaderTask& task) {
  RESTKV_ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::load(task.model));
  return prompt_of(*tokenizer, task.text, task.prompt_tokens + kSteps);
}

// The tokenizer is freed before libllama loads its own.
Result<ReaderReport> read_libllama(const ReaderTask& task) {
  RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> text, tokenize(task));
  RESTKV_ASSIGN_OR_RETURN(const auto llama, Libllama::load(task.model, task.n_threads));
  RESTKV_RETURN_IF_ERROR(llama->begin(task.prompt_tokens + kSteps));
  RESTKV_RETURN_IF_ERROR(llama->read(std::span(text).first(task.prompt_tokens)));
  ReaderReport report;
  report.logits.assign(llama->logits().begin(), llama->logits().end());
  for (int64_t s = 0; s < kSteps; ++s)
    RESTKV_RETURN_IF_ERROR(llama->read({&text[task.prompt_tokens + s], 1}));
  return report;
}

}  // namespace

Result<ReaderReport> run_reader(const ReaderTask& task) {
  return task.reader == Reader::restkv ? read_restkv(task) : read_libllama(task);
}

}  // namespace restkv::bench
