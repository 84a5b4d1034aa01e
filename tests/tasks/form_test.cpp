// Fitting a sample to its length, on forms whose units cost what a test says.
#include "tasks/form.h"

#include <gtest/gtest.h>

#include "tasks/generated_source.h"
#include "tests/tasks/inputs.h"

namespace restkv {
namespace {

// A byte is a token.
TextTokens bytes() {
  TextTokens tokens;
  tokens.encode = [](std::string_view text, bool) -> Result<std::vector<int32_t>> {
    return std::vector<int32_t>(text.begin(), text.end());
  };
  return tokens;
}

class MadeUpForm : public Form {
 public:
  explicit MadeUpForm(std::function<int64_t(int64_t)> cost, int64_t max_units = 1000)
      : cost_(std::move(cost)), max_units_(max_units) {}
  int64_t min_units() const override { return 1; }
  int64_t max_units() const override { return max_units_; }
  Draft build(int64_t n_unit) override {
    ++n_built;
    Draft draft;
    draft.prompt = std::string(static_cast<size_t>(cost_(n_unit) + widened_), 'x');
    draft.fields["units"] = n_unit;
    draft.must_occur = {{"y", needs_y ? 1 : 0}};
    return draft;
  }
  bool widen(int64_t, int64_t n_missing) override {
    widened_ += widens_by < 0 ? n_missing : widens_by;
    return widens_by != 0;
  }

  int n_built = 0;
  int64_t widens_by = 0;  // -1: by all that is missing
  bool needs_y = false;

 private:
  std::function<int64_t(int64_t)> cost_;
  int64_t max_units_, widened_ = 0;
};

Fitted fitted(MadeUpForm& form, int64_t limit, int n_new = 0) {
  const auto result = fit(form, bytes(), {limit, n_new});
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? *result : Fitted();
}

TEST(FitLength, EvenUnitsInAFewSteps) {
  MadeUpForm form([](int64_t n) { return 50 + 3 * n; });
  const Fitted result = fitted(form, 1000, 100);
  EXPECT_LE(result.n_token, 900);
  EXPECT_GE(result.n_token, 897);
  EXPECT_EQ(result.draft.n_new, 100);
  EXPECT_LE(form.n_built, 5);
}

TEST(FitLength, CoarseAndUnevenUnits) {
  MadeUpForm coarse([](int64_t n) { return 90 * n; });
  EXPECT_EQ(fitted(coarse, 1000).n_token, 990);
  MadeUpForm growing([](int64_t n) { return n * n; });
  EXPECT_EQ(fitted(growing, 1000).n_token, 31 * 31);
  EXPECT_LE(growing.n_built, 20);
  MadeUpForm steps([](int64_t n) { return 10 + n / 40 * 100; });  // most units cost nothing
  EXPECT_EQ(fitted(steps, 1000).n_token, 910);
  EXPECT_LE(steps.n_built, 30);
}

TEST(FitLength, WidensWhereUnitsLeaveTooMuch) {
  MadeUpForm form([](int64_t n) { return 90 * n; });
  form.widens_by = 5;
  EXPECT_EQ(fitted(form, 1000).n_token, 990);  // a hundredth is free
  MadeUpForm wide([](int64_t n) { return 300 * n; });
  wide.widens_by = -1;
  EXPECT_EQ(fitted(wide, 1000).n_token, 1000);
  MadeUpForm too_wide([](int64_t n) { return 300 * n; });
  too_wide.widens_by = 101;
  EXPECT_EQ(fitted(too_wide, 1000).n_token, 900);  // what was too long is not taken
}

TEST(FitLength, WhatDoesNotFit) {
  MadeUpForm large([](int64_t n) { return 2000 * n; });
  expect_error(fit(large, bytes(), {1000, 10}).status(), ErrorKind::capacity,
               "shortest sample of the task has 2010");
  MadeUpForm small([](int64_t n) { return n; }, 900);
  expect_error(fit(small, bytes(), {1000, 10}).status(), ErrorKind::capacity, "makes 910");
  MadeUpForm any([](int64_t n) { return n; });
  TextTokens broken;
  broken.encode = [](std::string_view, bool) -> Result<std::vector<int32_t>> {
    return Status::runtime("no tokenizer today");
  };
  expect_error(fit(any, broken, {1000, 10}).status(), ErrorKind::runtime, "today");
}

TEST(GeneratedSource, DrawsAgainUntilItsTextsOccurAsOftenAsTheyMust) {
  std::vector<uint64_t> seeds;
  const auto source_of = [&](size_t n_bad) {
    seeds.clear();
    return generated_source({.task = "made up",
                             .n = 5,
                             .fit = {100, 0},
                             .tokens = bytes(),
                             .make = [&, n_bad](int64_t, uint64_t seed) -> std::unique_ptr<Form> {
                               seeds.push_back(seed);
                               if (seeds.size() == 1) return nullptr;
                               auto form =
                                   std::make_unique<MadeUpForm>([](int64_t n) { return n; });
                               form->needs_y = seeds.size() <= n_bad;
                               return form;
                             }});
  };
  EXPECT_TRUE(source_of(3)->sample(2).ok());
  ASSERT_EQ(seeds.size(), 4u);
  EXPECT_NE(seeds[2], seeds[3]);
  expect_error(source_of(1000)->sample(2).status(), ErrorKind::runtime, "made up: sample 2");
}

TEST(Occurrences, OfAsciiInAnyCase) {
  EXPECT_EQ(count_occurrences("aaaa", "aa"), 2);
  Draft draft{.prompt = "One TWO", .answer_prefix = " two"};
  draft.must_occur = {{"two", 2}, {"one", 1}, {"three", 0}};
  EXPECT_TRUE(occurs_as_often(draft));
  draft.must_occur = {{"TWO", 1}};
  EXPECT_FALSE(occurs_as_often(draft));
}

}  // namespace
}  // namespace restkv
