// Plans of memory beside what a reading takes.
#include <gtest/gtest.h>

#include "engine/memory_plan.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::scheduled;

using Case = test::NamedConfig;

std::vector<Case> cases() {
  constexpr Schedule kTurn{Schedule::Kind::turn}, kDecode{Schedule::Kind::decode, 16};
  constexpr auto kQuery = Granularity::query_head;
  CacheConfig quantised = cache_config("snapkv", 48);
  quantised.type = StorageType::q8_0;
  return {{"full", cache_config("full", 48)},
          {"rest_kv", cache_config("rest-kv", 48)},
          {"snapkv", scheduled(cache_config("snapkv", 48), kTurn)},
          {"h2o", cache_config("h2o", 48)},
          {"ada", scheduled(cache_config("adakv", 48), kTurn)},
          {"pyramid", cache_config("pyramidkv", 48)},
          {"l2norm", cache_config("l2norm", 48)},
          {"counted", scheduled(cache_config("rest-kv", 48), kDecode)},
          {"streaming", cache_config("streaming-llm", 48)},
          {"query_heads", cache_config("snapkv", 48, kQuery)},
          {"quantised", quantised}};
}

MemoryPlan planned(const Model& model, const Compute& compute, const CachePlan& plan,
                   int64_t n_token, int64_t n_old = 0) {
  const CachePlan* plans[] = {&plan};
  return plan_memory(model.hparams(), {n_token, n_old, compute.kernels(), compute.n_threads()},
                     plans);
}

class PlanOf : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Cases, PlanOf, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST_P(PlanOf, FirstPromptHoldsWhatIsMeasured) {
  const auto model = test::wide_model();
  for (const auto kernels : {Kernels::automatic, Kernels::ggml}) {
    const auto compute = test::make_compute(nullptr, 2, kernels);
    for (const int64_t n : {40, 200, 1000, 3000}) {
      SCOPED_TRACE(testing::Message() << n << " tokens, kernels " << int(kernels));
      Sequence sequence = test::make_sequence(GetParam().config);
      const auto tokens = test::random_tokens(n, 1);
      ASSERT_TRUE(extend(*model, *compute, {.tokens = tokens}, &sequence).ok());
      const size_t plan = planned(*model, *compute, *sequence.plan, n).kv_peak_bytes;
      const size_t measured = sequence.cache.meter->peak_bytes();
      EXPECT_GE(plan, measured);
      EXPECT_LE(plan, measured + measured / 5);
    }
  }
}

TEST_P(PlanOf, GrowsWithTokens) {
  const auto model = test::wide_model();
  const auto plan = *CachePlan::make(GetParam().config);
  for (const auto kernels : {Kernels::automatic, Kernels::ggml}) {
    const auto compute = test::make_compute(nullptr, 2, kernels);
    MemoryPlan last;
    for (int64_t n = 1; n < 6000; n += n < 200 ? 1 : 37) {
      const MemoryPlan now = planned(*model, *compute, *plan, n);
      ASSERT_GE(now.kv_peak_bytes, last.kv_peak_bytes) << n;
      // From 64 tokens on sums of columns are taken while reading, and queries are not kept for
      // them.
      if (n != 64) {
        ASSERT_GE(now.total_bytes(), last.total_bytes()) << n;
      }
      last = now;
    }
  }
}

}  // namespace
}  // namespace restkv
