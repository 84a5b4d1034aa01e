// Frequent words: coded words whose frequencies fall with the square of their rank. The first rank
// is printed as dots; the next three are asked for.
#include <algorithm>
#include <unordered_set>

#include "tasks/draw.h"
#include "tasks/noise.h"
#include "tasks/ruler_forms.h"

namespace restkv {
namespace {

constexpr int kLetters = 6;
constexpr size_t kAsked = 3;           // ranks 2 to 4
constexpr int64_t kTokensAWord = 50;   // of the length, for each word of the vocabulary
constexpr int64_t kFewestWords = 5;    // of the vocabulary
constexpr int64_t kFewestUnits = 100;  // ranks 4 and 5 occur 3 times and twice
constexpr const char* kDots = "...";

// floor(n / (zeta(2) rank^2)), in whole numbers: 1 / zeta(2) = 6 / pi^2 in 40 binary places.
int64_t frequency(int64_t n, int64_t rank) {
  constexpr int64_t kInverseZeta = 668422917328;
  return ((n * kInverseZeta) >> 40) / (rank * rank);
}

class FrequentWordsForm : public Form {
 public:
  FrequentWordsForm(const PromptTemplate& frame, const TextTokens& tokens, int64_t n_word,
                    int64_t length, uint64_t seed)
      : frame_(frame), tokens_(tokens), length_(length), seed_(seed), words_({kDots}) {
    Draw draw(derive_seed(seed, 0));
    std::unordered_set<std::string> seen;
    while (static_cast<int64_t>(words_.size()) < n_word) {
      std::string word = draw.letters('a', kLetters);
      if (seen.insert(word).second) words_.push_back(std::move(word));
    }
  }

  int64_t min_units() const override { return kFewestUnits; }
  int64_t max_units() const override { return 2 * length_; }  // rounding down loses some

  Draft build(int64_t n_unit) override {
    std::vector<std::string> list;
    for (size_t i = 0; i < words_.size(); ++i)
      list.insert(list.end(), static_cast<size_t>(occurs(n_unit, i)), words_[i]);
    list.insert(list.end(), static_cast<size_t>(n_extra_), kDots);
    Draw draw(derive_seed(seed_, 1));
    draw.shuffle(list);
    const std::string context = join(list, " ");
    Draft draft;
    draft.prompt = fill_places(frame_.prompt, {{"context", context}, {"query", ""}});
    draft.answer_prefix = frame_.answer_prefix;
    const std::vector<std::string> asked(words_.begin() + 1, words_.begin() + 1 + kAsked);
    draft.fields["outputs"] = asked;
    for (size_t i = 1; i <= kAsked; ++i)
      draft.must_occur.push_back({words_[i], occurs(n_unit, i)});
    return draft;
  }

  // Where many words come to their next occurrence at once: more dots.
  bool stretch(int64_t, int64_t n_token) override {
    const auto ids = tokens_.encode(std::string(" ") + kDots, false);
    const int64_t n_more =
        n_token < 0 || !ids.ok() || ids->empty() ? 0 : n_token / static_cast<int64_t>(ids->size());
    n_extra_ += n_more;
    return n_more > 0;
  }

 private:
  static int64_t occurs(int64_t n_unit, size_t i) {
    return frequency(n_unit, static_cast<int64_t>(i) + 1);
  }

  PromptTemplate frame_;
  TextTokens tokens_;
  int64_t length_;
  uint64_t seed_;
  std::vector<std::string> words_;  // by rank
  int64_t n_extra_ = 0;             // dots on top of their frequency
};

}  // namespace

Result<MakeForm> frequent_words_forms(const RulerInputs& inputs) {
  RESTKV_ASSIGN_OR_RETURN(const PromptTemplate frame,
                          inputs.prompts->find("freq_words_extraction"));
  const int64_t length = inputs.fit.limit;
  const int64_t n_word = std::max(kFewestWords, (length - inputs.fit.n_new) / kTokensAWord);
  return MakeForm([frame, n_word, length, tokens = inputs.tokens](int64_t, uint64_t seed) {
    return std::make_unique<FrequentWordsForm>(frame, tokens, n_word, length, seed);
  });
}

}  // namespace restkv
