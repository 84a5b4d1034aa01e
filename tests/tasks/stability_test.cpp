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
      {"niah_single_1", 14673722205275492219u},
      {"niah_single_2", 17227640767196152803u},
      {"niah_single_3", 12259189238323252341u},
      {"niah_multikey_1", 18004336024427123335u},
      {"niah_multikey_2", 12060432116883189344u},
      {"niah_multikey_3", 8093141932328115042u},
      {"niah_multivalue", 15138452902591742683u},
      {"niah_multiquery", 248959657675743232u},
      {"vt", 10554817359731157840u},
      {"cwe", 3916288461193732309u},
      {"fwe", 9008819564560376605u},
      {"json_words", 14814634504711332850u},
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
      {"passkey", 14310120055069006450u},      {"number_string", 9941798687703597802u},
      {"kv_retrieval", 12354852577410427556u}, {"math_find", 14708699650797062277u},
      {"math_calc", 14568824260128540731u},    {"code_run", 15426868571595307644u},
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
  EXPECT_EQ(fingerprint_of(niah_samples(options)), 8609900454914533175u);
}

}  // namespace
}  // namespace restkv
