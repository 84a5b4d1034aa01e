#include "tasks/generated_source.h"

#include "core/check.h"
#include "tasks/draw.h"

namespace restkv {
namespace {

constexpr int kMaxTries = 50;

class GeneratedSource : public SampleSource {
 public:
  explicit GeneratedSource(GeneratedOptions options) : options_(std::move(options)) {}

  int64_t size() const override { return options_.n; }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_CHECK(i >= 0 && i < size());
    const uint64_t seed =
        derive_seed(derive_seed(options_.seed, name_key(options_.task)), static_cast<uint64_t>(i));
    for (uint64_t attempt = 0; attempt < kMaxTries; ++attempt) {
      const std::unique_ptr<Form> form = options_.make(i, derive_seed(seed, attempt));
      if (form == nullptr) continue;
      RESTKV_ASSIGN_OR_RETURN(Fitted fitted, fit(*form, options_.tokens, options_.fit));
      if (occurs_as_often(fitted.draft)) return finished(i, std::move(fitted));
    }
    return Status::runtime(options_.task + ": sample " + std::to_string(i) + " was drawn " +
                           std::to_string(kMaxTries) +
                           " times and never came out as it must: its answers would not be unique");
  }

 private:
  static Sample finished(int64_t i, Fitted fitted) {
    Sample sample;
    sample.id = std::to_string(i);
    sample.prompt = std::move(fitted.draft.prompt);
    sample.answer_prefix = std::move(fitted.draft.answer_prefix);
    sample.n_new = fitted.draft.n_new;
    sample.fields = {{"index", i}};
    sample.fields.update(fitted.draft.fields);
    sample.fields["n_token"] = fitted.n_token;
    return sample;
  }

  GeneratedOptions options_;
};

}  // namespace

std::unique_ptr<SampleSource> generated_source(GeneratedOptions options) {
  return std::make_unique<GeneratedSource>(std::move(options));
}

Status check_generated(const GeneratedLimits& limits, const TextTokens& tokens) {
  if (limits.n < 1)
    return Status::usage("the number of samples is " + std::to_string(limits.n) +
                         ", it must be 1 or more");
  if (limits.n_template < 0 || limits.length <= limits.n_template + limits.n_new) {
    return Status::usage(
        "the length is " + std::to_string(limits.length) + " tokens, it must be more than the " +
        std::to_string(limits.n_template + limits.n_new) + " of the answer and the chat form");
  }
  if (!tokens.encode) return Status::usage("samples are generated, which needs a tokenizer");
  return {};
}

}  // namespace restkv
