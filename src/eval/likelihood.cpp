#include "eval/likelihood.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/clock.h"
#include "eval/continuation.h"
#include "eval/divergences.h"

namespace restkv {
namespace {

using nlohmann::ordered_json;
using Tokens = std::vector<int32_t>;

Result<std::string> target_of(const Sample& sample) {
  const auto found = sample.fields.find("target");
  if (found == sample.fields.end() || !found->is_string() || found->get<std::string>().empty())
    return Status::model("the sample has no \"target\"");
  return found->get<std::string>();
}

// The tokens that `text` adds to the sample's prompt. A vocabulary may join the end of one with the
// beginning of the other, and a prompt that was shortened or wrapped is another: then the text is
// tokenized by itself.
Result<Tokens> continuation_tokens(const MeasureInput& input, const std::string& text) {
  const Tokenizer& tokenizer = input.model.tokenizer();
  const auto prompt = input.reading.prompt;
  RESTKV_ASSIGN_OR_RETURN(
      Tokens whole, tokenizer.tokenize(input.sample.prompt + input.sample.answer_prefix + text,
                                       /*add_special=*/true, /*parse_special=*/true));
  if (whole.size() > prompt.size() && std::equal(prompt.begin(), prompt.end(), whole.begin())) {
    whole.erase(whole.begin(), whole.begin() + static_cast<int64_t>(prompt.size()));
    return whole;
  }
  RESTKV_ASSIGN_OR_RETURN(Tokens alone, tokenizer.tokenize(text, false, true));
  if (alone.empty()) return Status::model("\"" + text + "\" has no tokens");
  return alone;
}

// The variants of `all` that `keep` is true for, and where they stand there.
struct Subset {
  std::vector<Variant> variants;
  std::vector<size_t> at;

  Subset(std::span<const Variant> all, const std::function<bool(const Variant&)>& keep) {
    for (size_t v = 0; v < all.size(); ++v) {
      if (!keep(all[v])) continue;
      variants.push_back(all[v]);
      at.push_back(v);
    }
  }
};

// The likelihood of several continuations of one prompt: nats, [variant][continuation].
class Continuations {
 public:
  Continuations(const MeasureInput& input, std::vector<Tokens> texts)
      : input_(input),
        texts_(std::move(texts)),
        nll_(input.reading.variants.size(), std::vector<double>(texts_.size())) {
    measured_.caches.resize(nll_.size());
  }

  Status run() {
    const auto all = input_.reading.variants;
    RESTKV_RETURN_IF_ERROR(score_all(Subset(all, can_take_back)));
    const Subset others(all, [](const Variant& v) { return !can_take_back(v); });
    for (size_t t = 0; t < texts_.size(); ++t)
      RESTKV_RETURN_IF_ERROR(score_one(others, t));
    return {};
  }

  const std::vector<double>& nll(size_t variant) const { return nll_[variant]; }
  // Caches and times; answers and scores are left to fill in.
  Measured& measured() { return measured_; }

 private:
  Result<VariantReading> read(const Subset& subset) {
    VariantRequest request = input_.reading;
    request.variants = subset.variants;
    RESTKV_ASSIGN_OR_RETURN(VariantReading reading,
                            read_variants(input_.model, input_.compute, request));
    for (size_t i = 0; i < subset.at.size(); ++i)
      measured_.caches[subset.at[i]] = reading.caches[i];
    measured_.prefill_ms += reading.ms;
    return reading;
  }

  Status score(const Subset& subset, size_t t, bool take_back, VariantReading* reading) {
    const double start = now_ms();
    RESTKV_ASSIGN_OR_RETURN(const ContinuationScores scores,
                            score_continuation(input_.model, input_.compute, reading,
                                               {.tokens = texts_[t], .take_back = take_back}));
    for (size_t i = 0; i < subset.at.size(); ++i)
      nll_[subset.at[i]][t] = nll_of(scores[i]);
    measured_.decode_ms += now_ms() - start;
    measured_.n_step += static_cast<int64_t>(texts_[t].size()) - 1;
    return {};
  }

  Status score_all(const Subset& subset) {
    if (subset.variants.empty()) return {};
    RESTKV_ASSIGN_OR_RETURN(VariantReading reading, read(subset));
    for (size_t t = 0; t < texts_.size(); ++t)
      RESTKV_RETURN_IF_ERROR(score(subset, t, true, &reading));
    return {};
  }

  Status score_one(const Subset& subset, size_t t) {
    if (subset.variants.empty()) return {};
    RESTKV_ASSIGN_OR_RETURN(VariantReading reading, read(subset));
    return score(subset, t, false, &reading);
  }

  const MeasureInput& input_;
  std::vector<Tokens> texts_;
  std::vector<std::vector<double>> nll_;
  Measured measured_;
};

struct Options {
  std::vector<std::string> texts;
  size_t label = 0;
};

Result<Options> options_of(const Sample& sample) {
  const auto options = sample.fields.find("options"), label = sample.fields.find("label");
  if (options == sample.fields.end() || label == sample.fields.end() || options->empty())
    return Status::model("the sample has no \"options\" or no \"label\"");
  return Options{options->get<std::vector<std::string>>(), label->get<size_t>()};
}

size_t least(const std::vector<double>& values) {
  return static_cast<size_t>(std::ranges::min_element(values) - values.begin());
}

void put_choice(const Options& options, const std::vector<double>& nll, Measured* measured) {
  std::vector<double> by_byte, printed;
  for (size_t o = 0; o < nll.size(); ++o) {
    by_byte.push_back(nll[o] / static_cast<double>(options.texts[o].size()));
    printed.push_back(rounded(nll[o]));
  }
  SampleScore score;
  score.value = least(nll) == options.label ? 1 : 0;
  score.others["normalised"] = least(by_byte) == options.label ? 1 : 0;
  score.others["nll"] = printed;
  measured->scores.push_back(std::move(score));
  measured->answers.push_back({.text = options.texts[least(nll)], .finish_reason = "scored"});
}

Result<Measured> measure_choice(const MeasureInput& input) {
  RESTKV_ASSIGN_OR_RETURN(const Options options, options_of(input.sample));
  std::vector<Tokens> texts;
  for (const std::string& text : options.texts) {
    RESTKV_ASSIGN_OR_RETURN(texts.emplace_back(), continuation_tokens(input, text));
  }
  Continuations continuations(input, std::move(texts));
  RESTKV_RETURN_IF_ERROR(continuations.run());
  Measured measured = std::move(continuations.measured());
  for (size_t v = 0; v < input.reading.variants.size(); ++v)
    put_choice(options, continuations.nll(v), &measured);
  return measured;
}

// Reading and scoring of one continuation.
struct Single {
  Tokens tokens;
  Measured measured;  // without answers and scores
  ContinuationScores scores;
};

using OnStep = decltype(ContinuationRequest::on_step);

Result<Single> score_target(const MeasureInput& input, const OnStep& on_step) {
  Single single;
  RESTKV_ASSIGN_OR_RETURN(const std::string target, target_of(input.sample));
  RESTKV_ASSIGN_OR_RETURN(single.tokens, continuation_tokens(input, target));
  RESTKV_ASSIGN_OR_RETURN(VariantReading reading,
                          read_variants(input.model, input.compute, input.reading));
  const double start = now_ms();
  RESTKV_ASSIGN_OR_RETURN(single.scores,
                          score_continuation(input.model, input.compute, &reading,
                                             {.tokens = single.tokens, .on_step = on_step}));
  single.measured.caches = std::move(reading.caches);
  single.measured.prefill_ms = reading.ms;
  single.measured.decode_ms = now_ms() - start;
  single.measured.n_step = static_cast<int64_t>(single.tokens.size()) - 1;
  return single;
}

Result<Measured> measure_target(const MeasureInput& input) {
  RESTKV_ASSIGN_OR_RETURN(Single single, score_target(input, {}));
  for (const std::vector<TokenScore>& tokens : single.scores) {
    const bool right = std::ranges::all_of(tokens, &TokenScore::likeliest);
    SampleScore score;
    score.value = right ? 1 : 0;
    score.others["nll"] = rounded(nll_of(tokens));
    score.others["tokens"] = tokens.size();
    single.measured.scores.push_back(std::move(score));
    single.measured.answers.push_back(
        {.text = right ? input.sample.fields["target"].get<std::string>() : "",
         .finish_reason = "scored"});
  }
  return std::move(single.measured);
}

Result<Measured> measure_divergence(const MeasureInput& input) {
  const size_t n = input.reading.variants.size();
  std::vector<Variant> variants(input.reading.variants.begin(), input.reading.variants.end());
  const auto full =
      std::ranges::find_if(variants, [](const Variant& v) { return v.plan->traits.keeps_all; });
  const auto reference = static_cast<size_t>(full - variants.begin());
  if (full == variants.end()) {
    CacheConfig config;
    config.policy.name = "full";
    RESTKV_ASSIGN_OR_RETURN(auto plan, CachePlan::make(config));
    variants.push_back({.name = "full", .policy = "full", .plan = std::move(plan), .options = {}});
  }
  MeasureInput with_full = input;
  with_full.reading.variants = variants;
  Divergences divergences(n);
  const auto on_step = [&](const ContinuationScores& so_far, const auto& logits) -> Status {
    for (size_t v = 0; v < n; ++v) {
      divergences.add(logits(reference), so_far[reference].back().log_sum, logits(v),
                      so_far[v].back().log_sum, v);
    }
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(Single single, score_target(with_full, on_step));
  for (size_t v = 0; v < n; ++v) {
    single.measured.scores.push_back(
        divergences.score(v, single.scores[v], single.scores[reference]));
    single.measured.answers.push_back({.text = "", .finish_reason = "scored"});
  }
  single.measured.caches.resize(n);
  return std::move(single.measured);
}

}  // namespace

Measure choose_option() {
  return one_by_one(measure_choice);
}

Measure foresee_target() {
  return one_by_one(measure_target);
}

Measure compare_with_full() {
  return one_by_one(measure_divergence);
}

}  // namespace restkv
