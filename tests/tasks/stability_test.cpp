// Samples are the same on every machine and in every version: a seed in a published result must go
// on meaning the same samples. A change here is a change of the generators, and needs an entry in
// the changelog.
#include <gtest/gtest.h>

#include "tasks/infinitebench_samples.h"
#include "tasks/niah_samples.h"
#include "tasks/ruler_samples.h"
#include "tests/tasks/inputs.h"
#include "tests/tasks/toy_tokens.h"

namespace restkv {
namespace {

uint64_t fingerprint_of(const Result<std::unique_ptr<SampleSource>>& source) {
  EXPECT_TRUE(source.ok()) << source.status().message();
  const auto sample = (*source)->sample(1);
  EXPECT_TRUE(sample.ok()) << sample.status().message();
  return fingerprint(*sample);
}

TEST(Stability, Ruler) {
  const std::map<std::string, uint64_t> expected = {
      {"niah_single_1", 0u},
      {"niah_single_2", 0u},
      {"niah_single_3", 0u},
      {"niah_multikey_1", 0u},
      {"niah_multikey_2", 0u},
      {"niah_multikey_3", 0u},
      {"niah_multivalue", 0u},
      {"niah_multiquery", 0u},
      {"vt", 0u},
      {"cwe", 0u},
      {"fwe", 0u},
      {"json_words", 0u},
  };
  for (const auto& [task, number] : expected) {
    RulerSamples options{.task = task, .length = 1024, .n = 2, .tokens = ToyTokens::tokens()};
    options.haystack = made_up_haystack();
    options.words = made_up_lists();
    EXPECT_EQ(fingerprint_of(ruler_samples(options)), number) << task;
  }
}

TEST(Stability, InfiniteBench) {
  const std::map<std::string, uint64_t> expected = {
      {"passkey", 0u},   {"number_string", 0u}, {"kv_retrieval", 0u},
      {"math_find", 0u}, {"math_calc", 0u},     {"code_run", 0u},
  };
  for (const auto& [task, number] : expected) {
    EXPECT_EQ(fingerprint_of(infinitebench_samples(
                  {.task = task, .length = 1024, .n = 2, .tokens = ToyTokens::tokens()})),
              number)
        << task;
  }
}

TEST(Stability, Niah) {
  NiahSamples options{.lengths = {1024}, .depths = {50}, .n_repeat = 2};
  options.tokens = ToyTokens::tokens();
  options.haystack = made_up_haystack();
  EXPECT_EQ(fingerprint_of(niah_samples(options)), 0u);
}

}  // namespace
}  // namespace restkv
