// Variable tracking: a chain of assignments, its lines spread over filler, behind a solved example.
#include <algorithm>
#include <unordered_set>

#include "tasks/draw.h"
#include "tasks/noise.h"
#include "tasks/ruler_forms.h"

namespace restkv {
namespace {

constexpr int kVariables = 5;  // of the chain: four hops
constexpr int kNameLetters = 5, kExampleLetters = 3;
constexpr int64_t kExampleTokens = 500;  // of the solved example with its answer

struct Chain {
  std::vector<std::string> names, lines;
  std::string value;
};

Chain draw_chain(Draw& draw, int n_letter) {
  Chain chain;
  std::unordered_set<std::string> seen = {"VAR"};
  while (chain.names.size() < kVariables) {
    std::string name = draw.letters('A', n_letter);
    if (seen.insert(name).second) chain.names.push_back(std::move(name));
  }
  chain.value = std::to_string(draw.between(10000, 99999));
  chain.lines.push_back("VAR " + chain.names[0] + " = " + chain.value);
  for (size_t i = 1; i < chain.names.size(); ++i)  // the space at the end is RULER's
    chain.lines.push_back("VAR " + chain.names[i] + " = VAR " + chain.names[i - 1] + " ");
  return chain;
}

struct Frame {
  PromptTemplate text;
  Noise noise;
};

struct Question {
  std::string prompt, answer_prefix;
};

// The chain's lines, in their order, before different lines of the filler.
Question ask(const Frame& frame, const Chain& chain, int64_t n_sentence, uint64_t seed) {
  Draw draw(seed);
  std::vector<int64_t> places = draw.sample(frame.noise.n_line(n_sentence), kVariables);
  std::ranges::sort(places);
  const std::string context =
      join(with_lines(frame.noise.lines(n_sentence), places, chain.lines), "\n");
  const std::string n_name = std::to_string(chain.names.size());
  const Places fill = {{"context", context}, {"query", chain.value}, {"num_v", n_name}};
  return {fill_places(frame.text.prompt, fill), fill_places(frame.text.answer_prefix, fill)};
}

int64_t fewest_sentences(const Frame& frame) {
  return (kVariables - 1) * frame.noise.n_sentence() + 1;
}

std::string solved(const Question& question, const Chain& chain) {
  return question.prompt + question.answer_prefix + " " + join(chain.names, " ") + "\n\n";
}

// The example alone, to find how much filler it may have.
class ExampleForm : public Form {
 public:
  ExampleForm(const Frame& frame, int64_t limit, uint64_t seed)
      : frame_(frame), limit_(limit), seed_(seed) {
    Draw draw(seed);
    chain_ = draw_chain(draw, kExampleLetters);
  }
  int64_t min_units() const override { return kVariables; }  // lines
  int64_t max_units() const override { return limit_; }
  Draft build(int64_t n_unit) override {
    Draft draft;
    draft.prompt = solved(ask(frame_, chain_, n_unit * frame_.noise.n_sentence(), seed_), chain_);
    draft.fields["lines"] = n_unit;
    return draft;
  }

 private:
  const Frame& frame_;
  int64_t limit_;
  uint64_t seed_;
  Chain chain_;
};

class VariableForm : public Form {
 public:
  VariableForm(const Frame& frame, int64_t n_example_line, int64_t length, uint64_t seed)
      : frame_(frame), seed_(seed), length_(length) {
    Draw draw(derive_seed(seed, 0));
    chain_ = draw_chain(draw, kNameLetters);
    Chain example = draw_chain(draw, kExampleLetters);
    while (example.value == chain_.value)
      example = draw_chain(draw, kExampleLetters);
    const int64_t n_sentence = n_example_line * frame.noise.n_sentence();
    example_ = solved(ask(frame, example, n_sentence, derive_seed(seed, 1)), example);
  }

  int64_t min_units() const override { return fewest_sentences(frame_); }
  int64_t max_units() const override { return length_; }

  Draft build(int64_t n_unit) override {
    Question question = ask(frame_, chain_, n_unit, derive_seed(seed_, 2));
    Draft draft;
    draft.prompt = example_ + question.prompt;
    draft.answer_prefix = std::move(question.answer_prefix);
    draft.fields["outputs"] = chain_.names;
    // All but the last variable are also read once.
    for (size_t i = 0; i < chain_.names.size(); ++i)
      draft.must_occur.push_back({chain_.names[i], i + 1 < chain_.names.size() ? 2 : 1});
    return draft;
  }

 private:
  Frame frame_;
  uint64_t seed_;
  int64_t length_;
  Chain chain_;
  std::string example_;
};

}  // namespace

Result<MakeForm> variable_tracking_forms(const RulerInputs& inputs) {
  RESTKV_ASSIGN_OR_RETURN(const PromptTemplate text, inputs.prompts->find("variable_tracking"));
  const Frame frame{text, Noise(inputs.prompts->text("noise"))};
  const int64_t length = inputs.fit.limit;
  const int64_t limit = std::min(kExampleTokens, length / 2);
  ExampleForm example(frame, limit, derive_seed(inputs.seed, name_key("vt example")));
  RESTKV_ASSIGN_OR_RETURN(const Fitted fitted,
                          fit(example, inputs.tokens, {.limit = limit, .n_new = 0}));
  const auto n_line = fitted.draft.fields["lines"].get<int64_t>();
  return MakeForm([frame, n_line, length](int64_t, uint64_t seed) {
    return std::make_unique<VariableForm>(frame, n_line, length, seed);
  });
}

}  // namespace restkv
