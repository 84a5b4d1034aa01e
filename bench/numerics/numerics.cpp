#include "bench/numerics/numerics.h"

#include <cmath>

#include "bench/common/contest.h"
#include "bench/common/text.h"
#include "bench/numerics/float_model.h"
#include "engine/decode.h"
#include "engine/prefill.h"

namespace restkv::bench {
namespace {

// A text that came twice would be predicted from its first copy.
Result<std::vector<int32_t>> tokens_of(const NumericsTask& task) {
  RESTKV_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(task.model));
  RESTKV_ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::load(task.model));
  if (task.text.empty()) return prompt_of(*tokenizer, "", task.n_token);
  RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, tokenizer->tokenize(task.text, true, false));
  if (static_cast<int64_t>(tokens.size()) < task.n_token) {
    return Status::usage("the text has " + std::to_string(tokens.size()) + " tokens, " +
                         std::to_string(task.n_token) + " are wanted, and no text is repeated");
  }
  tokens.resize(task.n_token);
  return tokens;
}

void compare_to(const Divergence& theirs, NumericsRow* row) {
  const double n = static_cast<double>(theirs.kl.size());
  row->ratio = row->divergence.mean_kl / theirs.mean_kl;
  double sum = 0;
  for (size_t i = 0; i < theirs.kl.size(); ++i)
    sum += std::pow(row->divergence.kl[i] - row->ratio * theirs.kl[i], 2);
  row->ratio_error = std::sqrt(sum) / (n * theirs.mean_kl);
}

class NumericsRace {
 public:
  NumericsRace(const NumericsTask& task, std::vector<int32_t> tokens)
      : task_(task), tokens_(std::move(tokens)) {}

  Result<std::vector<NumericsRow>> run() {
    RESTKV_RETURN_IF_ERROR(read_reference());
    RESTKV_RETURN_IF_ERROR(measure_libllama());
    RESTKV_RETURN_IF_ERROR(measure_restkv(Kernels::ggml, "restkv ggml"));
    RESTKV_RETURN_IF_ERROR(measure_restkv(Kernels::automatic, "restkv auto"));
    return std::move(rows_);
  }

 private:
  int64_t n_prompt() const { return task_.n_token - task_.n_decode; }
  std::span<const int32_t> prompt() const { return std::span(tokens_).first(n_prompt()); }
  void say(const std::string& what) const {
    if (task_.on_step) task_.on_step(what);
  }

  Status read_reference() {
    say("weights to F32");
    RESTKV_ASSIGN_OR_RETURN(const auto file, write_float_model(task_.model, task_.n_threads));
    RESTKV_ASSIGN_OR_RETURN(const auto llama, Libllama::load(file->path(), task_.n_threads));
    RESTKV_ASSIGN_OR_RETURN(reference_,
                            ReferenceLogits::create(tokens_, llama->n_vocab(), task_.n_threads));
    say("reading, F32");
    RESTKV_RETURN_IF_ERROR(llama->begin(task_.n_token, Libllama::Arithmetic::exact));
    return llama->read_all(tokens_, [&](int64_t first, LogitRows rows) -> Status {
      reference_->set(first, rows);
      return {};
    });
  }

  Status measure_libllama() {
    RESTKV_ASSIGN_OR_RETURN(const auto llama, Libllama::load(task_.model, task_.n_threads));
    say("reading, libllama");
    RESTKV_RETURN_IF_ERROR(llama->begin(task_.n_token));
    Comparison read(*reference_, 0);
    RESTKV_RETURN_IF_ERROR(llama->read_all(tokens_, [&](int64_t, LogitRows rows) -> Status {
      read.add(rows);
      return {};
    }));
    RESTKV_RETURN_IF_ERROR(add_row("libllama", "read", &read));
    if (task_.n_decode == 0) return {};
    say("decoding, libllama");
    RESTKV_RETURN_IF_ERROR(llama->begin(task_.n_token));
    RESTKV_RETURN_IF_ERROR(llama->read(prompt()));
    return decode_rest("libllama", [&](int32_t token) -> Result<std::span<const float>> {
      RESTKV_RETURN_IF_ERROR(llama->read({&token, 1}));
      return llama->logits();
    });
  }

  Status measure_restkv(Kernels kernels, const std::string& name) {
    RESTKV_ASSIGN_OR_RETURN(const auto model, Model::load(task_.model, {}, kernels));
    RESTKV_ASSIGN_OR_RETURN(const auto compute, Compute::create(task_.n_threads, nullptr, kernels));
    RESTKV_RETURN_IF_ERROR(read_restkv(*model, *compute, name));
    return task_.n_decode == 0 ? Status() : decode_restkv(*model, *compute, name);
  }

  Status read_restkv(const Model& model, Compute& compute, const std::string& name) {
    say("reading, " + name);
    Comparison read(*reference_, 0);
    ReadRequest request{.tokens = tokens_};
    request.on_logits = [&](int64_t, LogitRows rows) -> Status {
      read.add(rows);
      return {};
    };
    const auto meter = std::make_shared<KvMeter>();
    RESTKV_RETURN_IF_ERROR(prefill(model, compute, request, {}, meter).status());
    return add_row(name, "read", &read);
  }

  Status decode_restkv(const Model& model, Compute& compute, const std::string& name) {
    say("decoding, " + name);
    RESTKV_ASSIGN_OR_RETURN(const auto plan, CachePlan::make(full_config()));
    const auto meter = std::make_shared<KvMeter>();
    RESTKV_ASSIGN_OR_RETURN(PrefillResult start,
                            prefill(model, compute, {.tokens = prompt()}, {&plan, 1}, meter));
    std::vector<float> logits;
    return decode_rest(name, [&](int32_t token) -> Result<std::span<const float>> {
      const DecodeSlot slot{&start.sequences[0], token};
      RESTKV_RETURN_IF_ERROR(decode(model, compute, {&slot, 1}, &logits));
      return std::span<const float>(logits);
    });
  }

  // step: a token to the logits of what follows.
  template <typename Step>
  Status decode_rest(const std::string& name, const Step& step) {
    Comparison decoded(*reference_, n_prompt());
    for (int64_t i = n_prompt(); i < task_.n_token; ++i) {
      RESTKV_ASSIGN_OR_RETURN(const std::span<const float> logits, step(tokens_[i]));
      decoded.add({logits.data(), {1, static_cast<int64_t>(logits.size())}});
    }
    return add_row(name, "decode", &decoded);
  }

  // REQUIRES: libllama comes first.
  Status add_row(const std::string& name, const std::string& phase, Comparison* comparison) {
    NumericsRow row{.contender = name, .phase = phase};
    RESTKV_ASSIGN_OR_RETURN(row.divergence, comparison->finish());
    row.n_token = static_cast<int64_t>(row.divergence.kl.size());
    row.reference_nll = reference_->mean_nll(task_.n_token - row.n_token);
    rows_.push_back(std::move(row));
    for (const NumericsRow& theirs : rows_) {
      if (theirs.phase != phase) continue;
      compare_to(theirs.divergence, &rows_.back());
      break;
    }
    return {};
  }

  const NumericsTask& task_;
  const std::vector<int32_t> tokens_;
  std::unique_ptr<ReferenceLogits> reference_;
  std::vector<NumericsRow> rows_;
};

}  // namespace

Result<std::vector<NumericsRow>> run_numerics(const NumericsTask& task) {
  RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, tokens_of(task));
  return NumericsRace(task, std::move(tokens)).run();
}

}  // namespace restkv::bench
