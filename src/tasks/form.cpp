#include "tasks/form.h"

#include <algorithm>
#include <cstdlib>

namespace restkv {
namespace {

constexpr int64_t kProbeUnits = 16;
constexpr int kMaxStretches = 4;
constexpr int kMaxSecants = 8;  // after so many measurements the interval is halved

// A number of units and the tokens that they make.
struct Point {
  int64_t n_unit = 0, n_token = 0;
};

class Fit {
 public:
  Fit(Form& form, const TextTokens& tokens, const FitOptions& options)
      : form_(form), tokens_(tokens), options_(options) {}

  Result<Fitted> run() {
    RESTKV_RETURN_IF_ERROR(begin());
    for (int64_t next = first_guess(); next > low_.n_unit; next = next_guess())
      RESTKV_RETURN_IF_ERROR(step(next));
    RESTKV_RETURN_IF_ERROR(close_gap());
    if (missing() <= options_.limit / 50 || low_.n_unit + 1 < high_.n_unit || high_.n_token > 0)
      return std::move(best_);
    return Status::capacity("the length is " + std::to_string(options_.limit) +
                            " tokens, all that the task has to fill it with makes " +
                            std::to_string(low_.n_token));
  }

 private:
  int64_t missing() const { return options_.limit - low_.n_token; }

  // Tokens with the new ones; the draft goes to `made`.
  Result<int64_t> measure(int64_t n_unit, Fitted* made) {
    made->draft = form_.build(n_unit);
    if (made->draft.n_new < 0) made->draft.n_new = options_.n_new;
    RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                            tokens_.encode(made->draft.prompt + made->draft.answer_prefix, true));
    made->n_token = static_cast<int64_t>(ids.size());
    return made->n_token + made->draft.n_new;
  }

  Status begin() {
    low_.n_unit = form_.min_units();
    high_.n_unit = form_.max_units() + 1;
    RESTKV_ASSIGN_OR_RETURN(low_.n_token, measure(low_.n_unit, &best_));
    if (missing() >= 0) return {};
    return Status::capacity("the length is " + std::to_string(options_.limit) +
                            " tokens, the shortest sample of the task has " +
                            std::to_string(low_.n_token));
  }

  // One more measurement narrows [low_, high_): the first fits, the second does not.
  Status step(int64_t n_unit) {
    ++n_step_;
    Fitted made;
    RESTKV_ASSIGN_OR_RETURN(const int64_t n_token, measure(n_unit, &made));
    if (n_token > options_.limit) {
      high_ = {n_unit, n_token};
    } else {
      slope_from_ = low_;
      low_ = {n_unit, n_token};
      best_ = std::move(made);
    }
    return {};
  }

  // A few units tell what one costs, and are cheap to count.
  int64_t first_guess() const { return std::min(low_.n_unit + kProbeUnits, high_.n_unit - 1); }

  // low_.n_unit: nothing is left to try.
  int64_t next_guess() const {
    if (high_.n_unit - low_.n_unit <= 1 || missing() <= options_.limit / 400) return low_.n_unit;
    const Point& other = high_.n_token > 0 ? high_ : slope_from_;
    const int64_t n_token = std::abs(other.n_token - low_.n_token);
    const int64_t n_unit = std::abs(other.n_unit - low_.n_unit);
    const int64_t half = low_.n_unit + (high_.n_unit - low_.n_unit) / 2;
    if (n_token == 0 || n_step_ > kMaxSecants) return half;
    const int64_t guess = low_.n_unit + missing() * n_unit / n_token;
    return std::clamp(guess, low_.n_unit + 1, high_.n_unit - 1);
  }

  bool leaves_much(int64_t n_token) const {
    return options_.limit - n_token > options_.limit / 100;
  }

  // Where a unit is large: the draft with one more is made shorter if that is the smaller change,
  // else this one longer.
  Status close_gap() {
    const bool known = high_.n_unit == low_.n_unit + 1 && high_.n_token > 0;
    if (known && leaves_much(low_.n_token) && high_.n_token - options_.limit < missing())
      RESTKV_RETURN_IF_ERROR(stretch(high_));
    return stretch(low_);
  }

  Status stretch(Point from) {
    for (int i = 0; i < kMaxStretches; ++i) {
      const bool fits = from.n_token <= options_.limit;
      if (fits && !leaves_much(from.n_token)) return {};
      if (!form_.stretch(from.n_unit, options_.limit - from.n_token)) return {};
      Fitted made;
      RESTKV_ASSIGN_OR_RETURN(from.n_token, measure(from.n_unit, &made));
      if (from.n_token > options_.limit || from.n_token <= low_.n_token) continue;
      low_ = from;
      best_ = std::move(made);
    }
    return {};
  }

  Form& form_;
  const TextTokens& tokens_;
  FitOptions options_;
  Point low_, high_, slope_from_;
  int n_step_ = 0;
  Fitted best_;
};

}  // namespace

Result<Fitted> fit(Form& form, const TextTokens& tokens, const FitOptions& options) {
  return Fit(form, tokens, options).run();
}

int64_t count_occurrences(std::string_view text, std::string_view part) {
  int64_t n = 0;
  for (size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size()))
    ++n;
  return n;
}

std::string ascii_lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

bool occurs_as_often(const Draft& draft) {
  const std::string text = ascii_lower(draft.prompt + draft.answer_prefix);
  return std::ranges::all_of(draft.must_occur, [&](const Occurrence& part) {
    return count_occurrences(text, ascii_lower(part.text)) == part.n;
  });
}

}  // namespace restkv
