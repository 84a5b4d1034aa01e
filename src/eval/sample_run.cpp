#include "eval/sample_run.h"

#include <utility>

#include "eval/measure.h"

namespace restkv {
namespace {

using nlohmann::ordered_json;

constexpr char kBetween = '\0';  // in no line of JSON

Status at(const EvalCell& cell, const std::string& sample, const Status& status) {
  std::string place = cell.task;
  if (cell.length) place.append(" ").append(std::to_string(*cell.length));
  return Status(status.kind(), place + ", sample " + sample + ": " + status.message());
}

std::string times_line(const SamplePlace& place, const Prompt& prompt,
                       std::span<const Variant> variants, const Measured& measured) {
  ordered_json eviction = ordered_json::object();
  int64_t n_new = 0;
  for (size_t v = 0; v < variants.size(); ++v) {
    eviction[variants[v].name] = measured.caches[v].eviction_ms;
    n_new += measured.answers[v].n_new;
  }
  ordered_json line{{"benchmark", place.benchmark},
                    {"task", place.task},
                    {"length", nullptr},
                    {"sample", place.sample},
                    {"batch", variants.size()},
                    {"prompt_tokens", prompt.tokens.size()},
                    {"prefill_ms", measured.prefill_ms},
                    {"eviction_ms", eviction},
                    {"decode_ms", measured.decode_ms},
                    {"decode_steps", measured.n_step},
                    {"new_tokens", n_new}};
  if (place.length) line["length"] = *place.length;
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string SampleLines::pack() const {
  return results + kBetween + times;
}

SampleLines SampleLines::unpack(const std::string& packed) {
  const size_t between = packed.find(kBetween);
  return {packed.substr(0, between), packed.substr(between + 1)};
}

SampleRunner::SampleRunner(const Model& model, Compute& compute, const Evaluation& evaluation,
                           const ResultFile& done, std::function<void(double)> on_reading)
    : model_(model),
      compute_(compute),
      evaluation_(evaluation),
      done_(done),
      on_reading_(std::move(on_reading)),
      text_(prompt_text(model)) {}

size_t SampleRunner::full_bytes(size_t n_token) const {
  const HParams& hp = model_.hparams();
  return size_t{2} * element_size(ElementType::f16) * n_token * hp.n_layer * hp.n_head_kv *
         hp.head_dim;
}

Result<SampleLines> SampleRunner::run(const EvalCell& cell, int64_t i) const {
  const auto sample = cell.source->sample(i);
  if (!sample.ok()) return at(cell, std::to_string(i), sample.status());
  const SamplePlace place{.benchmark = evaluation_.benchmark,
                          .task = cell.task,
                          .length = cell.length,
                          .sample = sample->id,
                          .number = i};
  std::vector<Variant> missing;
  const std::string key = place.key();
  for (const Variant& variant : evaluation_.variants)
    if (!done_.has(key, variant.name)) missing.push_back(variant);
  if (missing.empty()) return SampleLines{};
  auto lines = answer(place, *sample, missing);
  if (!lines.ok()) return at(cell, sample->id, lines.status());
  return lines;
}

Result<SampleLines> SampleRunner::answer(const SamplePlace& place, const Sample& sample,
                                         std::span<const Variant> variants) const {
  RESTKV_ASSIGN_OR_RETURN(const Prompt prompt, make_prompt(text_, sample, evaluation_.prompt));
  RESTKV_RETURN_IF_ERROR(check_eval_memory(
      model_.hparams(), evaluation_, static_cast<int64_t>(prompt.tokens.size()), sample.n_new, 1));
  VariantRequest reading{
      .prompt = prompt.tokens, .variants = variants, .attention = evaluation_.attention};
  if (on_reading_) reading.on_progress = [&](const PrefillProgress& p) { on_reading_(p.fraction); };
  RESTKV_ASSIGN_OR_RETURN(const Measured measured,
                          evaluation_.measure({model_, compute_, place.task, sample, reading}));
  SampleLines lines{.results = {}, .times = times_line(place, prompt, variants, measured)};
  for (size_t v = 0; v < variants.size(); ++v) {
    lines.results += result_line({.place = place,
                                  .sample = sample,
                                  .prompt = prompt,
                                  .variant = variants[v],
                                  .answer = measured.answers[v],
                                  .cache = measured.caches[v],
                                  .score = measured.scores[v],
                                  .n_batch = static_cast<int64_t>(variants.size()),
                                  .full_bytes = full_bytes(prompt.tokens.size()),
                                  .config = evaluation_.config}) +
                     "\n";
  }
  return lines;
}

}  // namespace restkv
