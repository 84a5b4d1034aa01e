// The tasks on lists and sums of numbers.
#include <algorithm>
#include <array>
#include <span>

#include "tasks/draw.h"
#include "tasks/infinitebench_forms.h"
#include "tasks/noise.h"

namespace restkv {
namespace {

// What is asked for: from the largest (rank > 0) or the smallest (< 0), or the middle one (0).
struct Wanted {
  std::string_view name;
  int rank;
};
constexpr std::array kWanted = {
    Wanted{"largest", 1},   Wanted{"second largest", 2},   Wanted{"third largest", 3},
    Wanted{"smallest", -1}, Wanted{"second smallest", -2}, Wanted{"third smallest", -3},
    Wanted{"median", 0},
};

// "[1, 2]".
std::string python_list(std::span<const int64_t> numbers) {
  std::string text = "[";
  for (size_t i = 0; i < numbers.size(); ++i)
    text.append(i == 0 ? "" : ", ").append(std::to_string(numbers[i]));
  return text.append("]");
}

// Numbers of 0..99. The three largest and the three smallest occur once each: what is the second
// largest does not depend on how repeats are counted.
class MathFindForm : public Form {
 public:
  MathFindForm(const InfiniteBenchInputs& inputs, std::string input, int64_t index, uint64_t seed)
      : inputs_(inputs),
        input_(std::move(input)),
        wanted_(kWanted[static_cast<size_t>(index) % kWanted.size()]),
        seed_(seed) {
    Draw draw(derive_seed(seed, 0));
    const int64_t low = draw.between(5, 15), high = draw.between(84, 94);
    low_ = low;
    high_ = high;
    for (const int64_t i : draw.sample(low, kExtremes))
      extremes_.push_back(i);
    for (const int64_t i : draw.sample(99 - high, kExtremes))
      extremes_.push_back(high + 1 + i);
    std::ranges::sort(extremes_);
  }
  // An odd number of numbers has a middle one: a unit is two more.
  int64_t min_units() const override { return kExtremes + 1; }
  int64_t max_units() const override { return inputs_.length; }

  Draft build(int64_t n_unit) override {
    std::vector<int64_t> numbers = bulk(2 * n_unit + 1 - 2 * kExtremes);
    Draw draw(derive_seed(seed_, 2));
    for (const int64_t extreme : extremes_) {
      const int64_t at = draw.below(static_cast<int64_t>(numbers.size()) + 1);
      numbers.insert(numbers.begin() + at, extreme);
    }
    const int64_t answer = answer_of(numbers);
    const std::string input = fill_places(input_, {{"which", wanted_.name}});
    Draft draft = infinitebench_draft(
        inputs_, {{"context", python_list(numbers)}, {"input", input}, {"answer", answer}});
    if (wanted_.rank != 0) {
      const auto at = std::ranges::find(numbers, answer) - numbers.begin();
      draft.fields["depth"] = 100.0 * static_cast<double>(at) / static_cast<double>(numbers.size());
    }
    return draft;
  }

 private:
  static constexpr int64_t kExtremes = 3;

  std::vector<int64_t> bulk(int64_t n) const {
    Draw draw(derive_seed(seed_, 1));
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < n; ++i)
      numbers.push_back(draw.between(low_, high_));
    return numbers;
  }
  int64_t answer_of(std::vector<int64_t> numbers) const {
    const auto n = static_cast<int64_t>(numbers.size());
    const int64_t place =
        wanted_.rank == 0 ? n / 2 : (wanted_.rank > 0 ? n - wanted_.rank : -wanted_.rank - 1);
    std::ranges::nth_element(numbers, numbers.begin() + place);
    return numbers[static_cast<size_t>(place)];
  }

  InfiniteBenchInputs inputs_;
  std::string input_;
  Wanted wanted_;
  uint64_t seed_;
  int64_t low_ = 0, high_ = 0;
  std::vector<int64_t> extremes_;
};

// Additions and subtractions whose running value stays in 0..99; all of its values are the answer.
class MathCalcForm : public Form {
 public:
  MathCalcForm(const InfiniteBenchInputs& inputs, uint64_t seed) : inputs_(inputs), draw_(seed) {}
  int64_t min_units() const override { return 2; }  // terms
  int64_t max_units() const override { return inputs_.length; }

  Draft build(int64_t n_unit) override {
    while (static_cast<int64_t>(values_.size()) < n_unit)
      add_term();
    const size_t n = static_cast<size_t>(n_unit);
    std::string context;
    for (size_t i = 0; i < n; ++i)
      context += terms_[i];
    const std::vector<int64_t> answer(values_.begin(), values_.begin() + n_unit);
    Draft draft = infinitebench_draft(inputs_, {{"context", context}, {"answer", answer}});
    draft.n_new = new_tokens(answer);
    return draft;
  }

 private:
  void add_term() {
    constexpr int64_t kLast = 99;
    const int64_t value = values_.empty() ? 0 : values_.back();
    const bool adds = values_.empty() || value == 0 || (value < kLast && draw_.below(2) == 0);
    const int64_t term =
        values_.empty() ? draw_.between(1, kLast) : draw_.between(1, adds ? kLast - value : value);
    const std::string sign = values_.empty() ? "" : (adds ? " + " : " - ");
    terms_.push_back(sign + std::to_string(term));
    values_.push_back(adds ? value + term : value - term);
  }
  // As many as the answer takes, "[1, 4]" behind a space: what is too long can only be right so
  // far.
  int new_tokens(const std::vector<int64_t>& answer) const {
    const std::string text = std::string(" ").append(python_list(answer));
    const auto ids = inputs_.tokens.encode(text, false);
    const size_t n = ids.ok() ? ids->size() : text.size();
    return static_cast<int>(std::min(n, static_cast<size_t>(inputs_.max_new)));
  }

  InfiniteBenchInputs inputs_;
  Draw draw_;
  std::vector<std::string> terms_;  // with their signs
  std::vector<int64_t> values_;
};

}  // namespace

MakeForm math_find_forms(const InfiniteBenchInputs& inputs) {
  const std::string input = inputs.prompts->text("find_input");
  return [inputs, input](int64_t index, uint64_t seed) {
    return std::make_unique<MathFindForm>(inputs, input, index, seed);
  };
}

MakeForm math_calc_forms(const InfiniteBenchInputs& inputs) {
  return [inputs](int64_t, uint64_t seed) { return std::make_unique<MathCalcForm>(inputs, seed); };
}

}  // namespace restkv
