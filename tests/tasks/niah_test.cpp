#include "tasks/niah_samples.h"

#include <gtest/gtest.h>

#include "tests/tasks/inputs.h"
#include "tests/tasks/toy_tokens.h"

namespace restkv {
namespace {

NiahSamples options_of(std::vector<int64_t> lengths, std::vector<int> depths) {
  NiahSamples options{.lengths = std::move(lengths), .depths = std::move(depths)};
  options.tokens = ToyTokens::tokens();
  options.haystack = made_up_haystack();
  return options;
}

TEST(Niah, TheReferencesGrid) {
  EXPECT_EQ(niah_reference_lengths().size(), 156u);
  EXPECT_EQ(niah_reference_lengths().back(), 32000);
  EXPECT_EQ(niah_reference_depths(), (std::vector{0, 11, 22, 33, 44, 56, 67, 78, 89, 100}));
  const auto source = niah_samples(options_of({}, {}));
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ((*source)->size(), 1560);
}

TEST(Niah, NeedleBehindAFullStopAtItsDepth) {
  const NiahSamples options = options_of({1000, 4000}, {0, 33, 67, 100});
  const auto source = opened(niah_samples(options));
  ASSERT_EQ(source->size(), 8);
  for (int64_t i = 0; i < source->size(); ++i) {
    const Sample sample = *source->sample(i);
    const auto length = sample.fields["length"].get<int64_t>();
    const auto depth = sample.fields["depth"].get<int64_t>();
    EXPECT_EQ(sample.id, std::to_string(length) + "-" + std::to_string(depth) + "-0");
    const auto needle = sample.fields["needle"].get<std::string>();
    EXPECT_EQ(count_in(sample.prompt, needle), 1);
    const size_t begin = sample.prompt.find("<text> ") + 7, end = sample.prompt.find(" </text>");
    const std::string context = sample.prompt.substr(begin, end - begin);
    EXPECT_EQ(options.tokens.encode(context, false)->size(), static_cast<size_t>(length - 200));
    const size_t at = context.find(needle);
    const auto n_before =
        static_cast<int64_t>(options.tokens.encode(context.substr(0, at), false)->size());
    EXPECT_LE(n_before, (length - 200) * depth / 100);
    EXPECT_GE(n_before, (length - 200) * depth / 100 - 600);
    if (depth > 0 && depth < 100) {
      EXPECT_EQ(context[at - 1], '.');
    }
    if (depth == 0) {
      EXPECT_EQ(at, 0u);
    }
    if (depth == 100) {
      EXPECT_EQ(at + needle.size(), context.size());
    }
    EXPECT_TRUE(sample.stop_at_newline);
    EXPECT_EQ(sample.n_new, 30);
    EXPECT_TRUE(needle.find(sample.fields["expected_answer"].get<std::string>()) !=
                std::string::npos);
  }
}

TEST(Niah, RepeatsReadOtherParts) {
  NiahSamples options = options_of({1000}, {50});
  options.n_repeat = 3;
  const auto source = opened(niah_samples(options));
  ASSERT_EQ(source->size(), 3);
  EXPECT_NE(source->sample(0)->prompt, source->sample(1)->prompt);
  EXPECT_NE(source->sample(2)->prompt, source->sample(1)->prompt);
  EXPECT_EQ(source->sample(1)->prompt, source->sample(1)->prompt);
  const std::string prompt = source->sample(1)->prompt;
  const size_t begin = prompt.find("<text> ") + 7;
  EXPECT_TRUE(prompt.compare(begin, 3, "The") == 0 || prompt.compare(begin, 4, "\"The") == 0)
      << prompt.substr(begin, 20);
}

TEST(Niah, AShortHaystackIsRepeated) {
  NiahSamples options = options_of({4000}, {50});
  options.haystack =
      std::make_shared<const Haystack>(*Haystack::from_text("One short sentence. ", "short"));
  const Sample sample = *(*niah_samples(options))->sample(0);
  EXPECT_GT(count_in(sample.prompt, "One short sentence. One short sentence."), 100);
}

TEST(Niah, WhatCannotBe) {
  expect_error(niah_samples(options_of({1000}, {101})).status(), ErrorKind::usage,
               "a depth is 101");
  expect_error(niah_samples(options_of({200}, {50})).status(), ErrorKind::usage, "a length is 200");
  expect_error(niah_samples(options_of({1000, 1000}, {50})).status(), ErrorKind::usage,
               "given twice: 1000");
  NiahSamples options = options_of({1000}, {50});
  options.n_repeat = 0;
  expect_error(niah_samples(options).status(), ErrorKind::usage, "are 0");
  options = options_of({1000}, {50});
  options.tokens = {};
  expect_error(niah_samples(options).status(), ErrorKind::usage, "tokenizer");
  options = options_of({1000}, {50});
  options.haystack = std::make_shared<const Haystack>(*Haystack::from_text(
      "To drink a coffee and watch the boats from the old pier at sunset.", "spoilt"));
  expect_error(niah_samples(options).status(), ErrorKind::model, "contains the answer");
}

}  // namespace
}  // namespace restkv
