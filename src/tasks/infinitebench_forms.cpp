#include "tasks/infinitebench_forms.h"

#include <algorithm>
#include <array>

#include "core/check.h"
#include "tasks/draw.h"
#include "tasks/infinitebench_prompt.h"
#include "tasks/infinitebench_samples.h"
#include "tasks/needle_draw.h"
#include "tasks/noise.h"

namespace restkv {
namespace {

struct Generator {
  std::string_view task;
  MakeForm (*forms)(const InfiniteBenchInputs& inputs);
};

constexpr std::array kGenerators = {
    Generator{"passkey", hidden_number_forms},     Generator{"number_string", hidden_number_forms},
    Generator{"kv_retrieval", kv_retrieval_forms}, Generator{"math_find", math_find_forms},
    Generator{"math_calc", math_calc_forms},       Generator{"code_run", code_run_forms},
};

const Generator* find_generator(std::string_view task) {
  const auto found =
      std::ranges::find_if(kGenerators, [&](const Generator& g) { return g.task == task; });
  return found == kGenerators.end() ? nullptr : &*found;
}

std::string draw_digits(Draw& draw, bool repeats) {
  std::string digits = std::to_string(draw.between(10000, 99999));
  for (int i = 0; repeats && i < 5; ++i) {
    const auto at = static_cast<size_t>(draw.below(static_cast<int64_t>(digits.size())));
    digits.insert(at, 1, digits[at]);
  }
  return digits;
}

// A number, said twice in one line, among lines of filler.
class HiddenNumberForm : public Form {
 public:
  HiddenNumberForm(const InfiniteBenchInputs& inputs, const Noise& noise, std::string needle,
                   std::string input, int64_t index, uint64_t seed)
      : inputs_(inputs),
        noise_(noise),
        needle_(std::move(needle)),
        input_(std::move(input)),
        index_(index) {
    Draw draw(seed);
    number_ = draw_digits(draw, inputs.task == "number_string");
  }
  int64_t min_units() const override { return 1; }  // sentences of filler
  int64_t max_units() const override { return inputs_.length; }

  Draft build(int64_t n_unit) override {
    const int64_t n_line = noise_.n_line(n_unit);
    const int64_t place = spread_place(index_, n_line + 1);  // lines before it
    std::vector<std::string> lines = noise_.lines(n_unit);
    lines.insert(lines.begin() + place, fill_places(needle_, {{"value", number_}}));
    const std::string context = join(lines, "\n") + "\n";
    Draft draft = infinitebench_draft(
        inputs_, {{"context", context}, {"input", input_}, {"answer", number_}});
    draft.fields["depth"] = 100.0 * static_cast<double>(place) / static_cast<double>(n_line);
    draft.must_occur = {{number_, count_occurrences(needle_, "{value}")}};
    return draft;
  }

 private:
  InfiniteBenchInputs inputs_;
  Noise noise_;
  std::string needle_, input_, number_;
  int64_t index_;
};

// A JSON object of uuids, the value of one asked for.
class KvRetrievalForm : public Form {
 public:
  KvRetrievalForm(const InfiniteBenchInputs& inputs, std::string input, int64_t index,
                  uint64_t seed)
      : inputs_(inputs),
        input_(std::move(input)),
        index_(index),
        pairs_(NeedleDraw(seed, nullptr), NeedleKind::uuid, NeedleKind::uuid) {}
  int64_t min_units() const override { return 1; }  // pairs
  int64_t max_units() const override { return inputs_.length; }

  Draft build(int64_t n_unit) override {
    std::string context = "JSON data:\n{";
    for (int64_t i = 0; i < n_unit; ++i)
      context.append(i == 0 ? "" : ", ").append(member(pairs_.at(i)));
    context += "}";
    const int64_t asked = spread_place(index_, n_unit);
    const KeyValue pair = pairs_.at(asked);
    const std::string input = fill_places(input_, {{"key", pair.key}});
    Draft draft = infinitebench_draft(
        inputs_, {{"context", context}, {"input", input}, {"answer", pair.value}});
    draft.fields["depth"] = 100.0 * static_cast<double>(asked) / static_cast<double>(n_unit);
    draft.must_occur = {{member(pair), 1}, {pair.value, 1}};
    return draft;
  }

  bool widen(int64_t n_unit, int64_t n_missing) override {
    return pairs_.widen(n_unit, n_missing, inputs_.tokens,
                        [](const KeyValue& pair) { return member(pair) + ", "; });
  }

 private:
  static std::string member(const KeyValue& pair) {
    return '"' + pair.key + "\": \"" + pair.value + '"';
  }

  InfiniteBenchInputs inputs_;
  std::string input_;
  int64_t index_;
  KeyValueRow pairs_;
};

}  // namespace

bool infinitebench_can_generate(std::string_view task) {
  return find_generator(task) != nullptr;
}

MakeForm infinitebench_forms(const InfiniteBenchInputs& inputs) {
  const Generator* const generator = find_generator(inputs.task);
  RESTKV_CHECK(generator != nullptr);
  return generator->forms(inputs);
}

MakeForm hidden_number_forms(const InfiniteBenchInputs& inputs) {
  const bool passkey = inputs.task == "passkey";
  const Noise noise(inputs.prompts->text("noise"));
  const std::string needle = inputs.prompts->text(passkey ? "passkey_needle" : "number_needle");
  const std::string input = inputs.prompts->text(passkey ? "passkey_input" : "number_input");
  return [inputs, noise, needle, input](int64_t index, uint64_t seed) {
    return std::make_unique<HiddenNumberForm>(inputs, noise, needle, input, index, seed);
  };
}

MakeForm kv_retrieval_forms(const InfiniteBenchInputs& inputs) {
  const std::string input = inputs.prompts->text("kv_input");
  return [inputs, input](int64_t index, uint64_t seed) {
    return std::make_unique<KvRetrievalForm>(inputs, input, index, seed);
  };
}

int64_t spread_place(int64_t index, int64_t n) {
  constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15u;                          // of 2^64
  const uint64_t fraction = (static_cast<uint64_t>(index) * kGoldenRatio) >> 33;  // of 2^31
  return static_cast<int64_t>((fraction * static_cast<uint64_t>(n)) >> 31);
}

Draft infinitebench_draft(const InfiniteBenchInputs& inputs, const nlohmann::json& record) {
  Result<std::string> prompt = infinitebench_prompt(inputs.task, inputs.text.prompt, record);
  RESTKV_CHECK(prompt.ok());  // our own record has all that the task looks for
  Draft draft;
  draft.prompt = std::move(*prompt);
  draft.answer_prefix = inputs.text.answer_prefix;
  draft.fields["label"] = record["answer"];
  return draft;
}

}  // namespace restkv
