#include "report/comparisons.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lines.h"

namespace restkv::report {
namespace {

std::string name_of(const Section& section, size_t v) {
  return section.series[section.variants[v].series].name + " " +
         std::to_string(section.variants[v].budget);
}

std::vector<std::string> compared(const std::vector<LineSpec>& specs,
                                  const std::vector<std::string>& against = {"snapkv"}) {
  const Results results = load({specs});
  std::vector<std::string> names;
  for (const Comparison& c : comparisons_of(results.sections[0], against)) {
    names.push_back(name_of(results.sections[0], c.variant) + " - " +
                    name_of(results.sections[0], c.reference));
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(Comparisons, AtTheSameBudgetAndKernel) {
  EXPECT_EQ(
      compared({LineSpec(), evicted("rest-kv", 64, 5), evicted("rest-kv", 64, 21),
                evicted("snapkv", 64, 21), evicted("snapkv", 128, 5)}),
      (Names{"rest-kv k5 64 - full 0", "rest-kv k21 64 - full 0", "rest-kv k21 64 - snapkv k21 64",
             "snapkv k5 128 - full 0", "snapkv k21 64 - full 0"}));
}

TEST(Comparisons, WithoutAKernelWithEachKernel) {
  EXPECT_EQ(compared({evicted("h2o", 64), evicted("snapkv", 64, 5), evicted("snapkv", 64, 21)}),
            (Names{"h2o 64 - snapkv k5 64", "h2o 64 - snapkv k21 64"}));
}

TEST(Comparisons, WithTheSameSplitsWhereTheyRan) {
  LineSpec rest = evicted("rest-kv", 64, 5), snap = evicted("snapkv", 64, 5);
  rest.head_budget = snap.head_budget = "ada";
  rest.variant = "rest-kv+ada k5 B64";
  snap.variant = "snapkv+ada k5 B64";
  EXPECT_EQ(compared({rest, snap, evicted("snapkv", 64, 5)}),
            (Names{"rest-kv+ada k5 64 - snapkv+ada k5 64", "snapkv+ada k5 64 - snapkv k5 64"}));
  EXPECT_EQ(compared({rest, evicted("snapkv", 64, 5)}),
            (Names{"rest-kv+ada k5 64 - snapkv k5 64"}));
}

TEST(Comparisons, AnAblationWithThePlainPolicy) {
  LineSpec mean = evicted("rest-kv", 64, 5);
  mean.variant = "rest-kv k5 B64 temporal=mean";
  EXPECT_EQ(compared({mean, evicted("rest-kv", 64, 5)}, {"rest-kv"}),
            (Names{"rest-kv k5 temporal=mean 64 - rest-kv k5 64"}));
}

TEST(Comparisons, NeverAcrossLayoutsOrTypes) {
  LineSpec per_query = evicted("rest-kv", 64, 5), small = evicted("rest-kv", 64, 5);
  per_query.granularity = "query-head";
  small.type = "q8_0";
  EXPECT_EQ(compared({per_query, small, evicted("snapkv", 64, 5)}), Names{});
}

}  // namespace
}  // namespace restkv::report
