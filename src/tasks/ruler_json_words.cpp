// A JSON object of adjective-noun keys and 7-digit values, one of which is asked for.
#include "tasks/draw.h"
#include "tasks/needle_draw.h"
#include "tasks/ruler_forms.h"

namespace restkv {
namespace {

class JsonWordsForm : public Form {
 public:
  JsonWordsForm(const PromptTemplate& frame, const RulerInputs& inputs, uint64_t seed)
      : frame_(frame),
        tokens_(inputs.tokens),
        words_(inputs.words),
        length_(inputs.fit.limit),
        place_(Draw(derive_seed(seed, 1)).below(kPlaces)),
        pairs_(NeedleDraw(derive_seed(seed, 0), words_.get()), NeedleKind::words,
               NeedleKind::number) {}

  int64_t min_units() const override { return 2; }
  int64_t max_units() const override { return length_; }

  Draft build(int64_t n_unit) override {
    const int64_t asked = place_ * n_unit / kPlaces;
    std::string context = "{";
    for (int64_t i = 0; i < n_unit; ++i)
      context += (i == 0 ? "" : ", ") + member(pairs_.at(i));
    context += "}";
    const auto [key, value] = pairs_.at(asked);
    Draft draft;
    const Places places = {{"context", context}, {"query", key}};
    draft.prompt = fill_places(frame_.prompt, places);
    draft.answer_prefix = fill_places(frame_.answer_prefix, places);
    draft.fields["outputs"] = nlohmann::ordered_json::array({value});
    draft.fields["depth"] = 100.0 * static_cast<double>(asked) / static_cast<double>(n_unit);
    draft.must_occur = {{value, 1}, {quoted(key) + ": ", 1}};
    return draft;
  }

  bool stretch(int64_t n_unit, int64_t n_token) override {
    return pairs_.stretch(n_unit, n_token, tokens_,
                          [](const KeyValue& pair) { return member(pair) + ", "; });
  }

 private:
  static constexpr int64_t kPlaces = 1 << 20;
  static std::string quoted(const std::string& key) { return '"' + key + '"'; }
  static std::string member(const KeyValue& pair) { return quoted(pair.key) + ": " + pair.value; }

  PromptTemplate frame_;
  TextTokens tokens_;
  std::shared_ptr<const WordLists> words_;
  int64_t length_, place_;
  KeyValueRow pairs_;
};

}  // namespace

Result<MakeForm> json_words_forms(const RulerInputs& inputs) {
  RESTKV_ASSIGN_OR_RETURN(const PromptTemplate frame, inputs.prompts->find("json_words"));
  return MakeForm([frame, inputs](int64_t, uint64_t seed) {
    return std::make_unique<JsonWordsForm>(frame, inputs, seed);
  });
}

}  // namespace restkv
