// Common words: a shuffled, numbered list of words, ten of which occur more often than the others,
// behind a solved example of the same kind.
#include <algorithm>
#include <numeric>

#include "tasks/draw.h"
#include "tasks/noise.h"
#include "tasks/ruler_forms.h"

namespace restkv {
namespace {

constexpr int64_t kCommon = 10;         // words that are asked for
constexpr int64_t kShortLength = 4096;  // below it lists repeat their words less

// How often a list has its words, and how many words the example has.
struct Counts {
  int64_t common, other, example_common, example_other, n_example;
};
constexpr Counts kLong = {30, 3, 10, 3, 40}, kShort = {6, 1, 3, 1, 20};

struct Words {
  std::vector<std::string> all;      // as they are printed
  std::vector<std::string> lowered;  // as answers are found
};

std::string numbered(const std::vector<std::string>& words) {
  std::string list;
  for (size_t i = 0; i < words.size(); ++i)
    list.append(i == 0 ? "" : " ").append(std::to_string(i + 1)).append(". ").append(words[i]);
  return list;
}

class CommonWordsForm : public Form {
 public:
  CommonWordsForm(const PromptTemplate& frame, std::shared_ptr<const Words> words,
                  const Counts& counts, uint64_t seed)
      : frame_(frame), words_(std::move(words)), counts_(counts), seed_(seed) {
    Draw draw(derive_seed(seed, 0));
    draw_common(draw);
    drop_containing();
    if (is_usable()) draw_example(draw);
  }

  // Whether the lists have words enough that are no parts of each other.
  bool is_usable() const {
    return common_.size() == kCommon && static_cast<int64_t>(rest_.size()) > 2 * counts_.n_example;
  }

  int64_t min_units() const override { return kCommon + 1; }
  int64_t max_units() const override { return kCommon + static_cast<int64_t>(rest_.size()); }

  Draft build(int64_t n_unit) override {
    std::vector<std::string> others(rest_.begin(), rest_.begin() + (n_unit - kCommon));
    Draft draft;
    draft.prompt = example_ + question(common_, counts_.common, others, counts_.other, 2);
    draft.answer_prefix = frame_.answer_prefix;
    draft.fields["outputs"] = common_;
    for (const std::string& word : common_)
      draft.must_occur.push_back({word, counts_.common});
    return draft;
  }

 private:
  // Ten words, none a part of another or of the template: the prediction of one must not count for
  // another.
  void draw_common(Draw& draw) {
    order_.resize(words_->all.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    draw.shuffle(order_);
    const std::string frame = ascii_lower(frame_.prompt + frame_.answer_prefix);
    for (const size_t i : order_) {
      const std::string& word = words_->lowered[i];
      const bool clashes =
          frame.find(word) != std::string::npos ||
          std::ranges::any_of(common_lowered_, [&](const std::string& other) {
            return other.find(word) != std::string::npos || word.find(other) != std::string::npos;
          });
      if (clashes) continue;
      common_.push_back(words_->all[i]);
      common_lowered_.push_back(word);
      if (common_.size() == kCommon) return;
    }
  }
  // What is left, without the words that hold one of the ten.
  void drop_containing() {
    for (const size_t i : order_) {
      const bool holds = std::ranges::any_of(common_lowered_, [&](const std::string& other) {
        return words_->lowered[i].find(other) != std::string::npos;
      });
      if (!holds) rest_.push_back(words_->all[i]);
    }
  }
  void draw_example(Draw& draw) {
    draw.shuffle(rest_);
    const std::vector<std::string> taken(rest_.end() - counts_.n_example, rest_.end());
    rest_.resize(rest_.size() - taken.size());
    const std::vector<std::string> common(taken.begin(), taken.begin() + kCommon);
    const std::vector<std::string> others(taken.begin() + kCommon, taken.end());
    example_ = question(common, counts_.example_common, others, counts_.example_other, 1) +
               frame_.answer_prefix + " " + numbered(common) + "\n";
  }

  std::string question(const std::vector<std::string>& common, int64_t n_common,
                       const std::vector<std::string>& others, int64_t n_other,
                       uint64_t key) const {
    std::vector<std::string> list;
    for (int64_t i = 0; i < n_common; ++i)
      list.insert(list.end(), common.begin(), common.end());
    for (int64_t i = 0; i < n_other; ++i)
      list.insert(list.end(), others.begin(), others.end());
    Draw draw(derive_seed(seed_, key));
    draw.shuffle(list);
    const std::string context = numbered(list);
    return fill_places(frame_.prompt, {{"context", context}, {"query", ""}});
  }

  PromptTemplate frame_;
  std::shared_ptr<const Words> words_;
  Counts counts_;
  uint64_t seed_;
  std::vector<size_t> order_;
  std::vector<std::string> common_, common_lowered_, rest_;
  std::string example_;
};

}  // namespace

Result<MakeForm> common_words_forms(const RulerInputs& inputs) {
  RESTKV_ASSIGN_OR_RETURN(const PromptTemplate frame,
                          inputs.prompts->find("common_words_extraction"));
  auto words = std::make_shared<Words>();
  words->all = all_words(*inputs.words);
  for (const std::string& word : words->all)
    words->lowered.push_back(ascii_lower(word));
  const Counts counts = inputs.fit.limit < kShortLength ? kShort : kLong;
  return MakeForm([frame, words, counts](int64_t, uint64_t seed) -> std::unique_ptr<Form> {
    auto form = std::make_unique<CommonWordsForm>(frame, words, counts, seed);
    if (!form->is_usable()) return nullptr;
    return form;
  });
}

}  // namespace restkv
