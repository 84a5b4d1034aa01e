#include "eval/sample_run.h"

#include <algorithm>
#include <iterator>
#include <set>
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
                       std::span<const Variant> variants, const Measured& measured,
                       size_t n_together) {
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
                    {"variants", variants.size()},
                    {"together", n_together},
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

std::string SampleLines::pack(const std::vector<SampleLines>& samples) {
  std::string packed;
  for (const SampleLines& lines : samples)
    packed += lines.results + kBetween + lines.times + kBetween;
  return packed;
}

std::vector<SampleLines> SampleLines::unpack(const std::string& packed) {
  std::vector<SampleLines> samples;
  for (size_t begin = 0; begin < packed.size();) {
    const size_t between = packed.find(kBetween, begin), end = packed.find(kBetween, between + 1);
    samples.push_back(
        {packed.substr(begin, between - begin), packed.substr(between + 1, end - between - 1)});
    begin = end + 1;
  }
  return samples;
}

// A sample with its prompt, and the names of the variants that it lacks.
struct SampleRunner::Asked {
  SamplePlace place;
  Sample sample;
  Prompt prompt;
  std::set<std::string> missing;
};

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

Result<std::vector<SampleLines>> SampleRunner::run(const EvalCell& cell,
                                                   std::span<const int64_t> numbers) const {
  std::vector<Asked> samples;
  for (const int64_t number : numbers) {
    RESTKV_ASSIGN_OR_RETURN(Asked asked, ask(cell, number));
    samples.push_back(std::move(asked));
  }
  std::vector<Variant> variants;
  std::ranges::copy_if(
      evaluation_.variants, std::back_inserter(variants), [&](const Variant& variant) {
        return std::ranges::any_of(
            samples, [&](const Asked& asked) { return asked.missing.contains(variant.name); });
      });
  if (variants.empty()) return std::vector<SampleLines>(numbers.size());
  return answer(cell, variants, samples);
}

Result<SampleRunner::Asked> SampleRunner::ask(const EvalCell& cell, int64_t number) const {
  auto sample = cell.source->sample(number);
  if (!sample.ok()) return at(cell, std::to_string(number), sample.status());
  Asked asked{.place = {.benchmark = evaluation_.benchmark,
                        .task = cell.task,
                        .length = cell.length,
                        .sample = sample->id,
                        .number = number},
              .sample = std::move(*sample),
              .prompt = {},
              .missing = {}};
  const std::string key = asked.place.key();
  for (const Variant& variant : evaluation_.variants)
    if (!done_.has(key, variant.name)) asked.missing.insert(variant.name);
  return asked;
}

Result<std::vector<SampleLines>> SampleRunner::answer(const EvalCell& cell,
                                                      std::span<const Variant> variants,
                                                      std::vector<Asked>& samples) const {
  std::vector<MeasureInput> inputs;
  for (size_t i = 0; i < samples.size(); ++i) {
    auto reading = prepare(variants, i, samples);
    if (!reading.ok()) return at(cell, samples[i].place.sample, reading.status());
    inputs.push_back(
        {model_, compute_, samples[i].place.task, samples[i].sample, std::move(*reading)});
  }
  const auto measured = evaluation_.measure.run(inputs);
  if (!measured.ok()) {
    std::string ids = samples.front().place.sample;
    if (samples.size() > 1) ids += " to " + samples.back().place.sample;
    return at(cell, ids, measured.status());
  }
  std::vector<SampleLines> lines;
  for (size_t i = 0; i < samples.size(); ++i)
    lines.push_back(write(samples[i], variants, (*measured)[i], samples.size()));
  return lines;
}

// The prompt of the i-th of the samples, and how it is read.
Result<VariantRequest> SampleRunner::prepare(std::span<const Variant> variants, size_t i,
                                             std::vector<Asked>& samples) const {
  Asked& asked = samples[i];
  RESTKV_ASSIGN_OR_RETURN(asked.prompt, make_prompt(text_, asked.sample, evaluation_.prompt));
  RESTKV_RETURN_IF_ERROR(check_eval_memory(
      model_.hparams(), evaluation_, static_cast<int64_t>(asked.prompt.tokens.size()),
      asked.sample.n_new, 1, static_cast<int>(samples.size())));
  VariantRequest reading{
      .prompt = asked.prompt.tokens, .variants = variants, .attention = evaluation_.attention};
  if (!on_reading_) return reading;
  const auto n = static_cast<double>(samples.size()), done = static_cast<double>(i);
  reading.on_progress = [=, this](const PrefillProgress& p) {
    on_reading_((done + p.fraction) / n);
  };
  return reading;
}

SampleLines SampleRunner::write(const Asked& asked, std::span<const Variant> variants,
                                const Measured& measured, size_t n_together) const {
  SampleLines lines;
  if (asked.missing.empty()) return lines;
  lines.times = times_line(asked.place, asked.prompt, variants, measured, n_together);
  for (size_t v = 0; v < variants.size(); ++v) {
    if (!asked.missing.contains(variants[v].name)) continue;
    lines.results += result_line({.place = asked.place,
                                  .sample = asked.sample,
                                  .prompt = asked.prompt,
                                  .variant = variants[v],
                                  .answer = measured.answers[v],
                                  .cache = measured.caches[v],
                                  .score = measured.scores[v],
                                  .n_batch = std::ssize(asked.missing),
                                  .full_bytes = full_bytes(asked.prompt.tokens.size()),
                                  .config = evaluation_.config}) +
                     "\n";
  }
  return lines;
}

}  // namespace restkv
