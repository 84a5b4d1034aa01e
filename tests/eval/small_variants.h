// Variants for the tiny models: a small window, budgets that leave something out.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/variants.h"

namespace restkv::test {

inline std::vector<Variant> small_variants(const std::vector<std::string>& policies,
                                           const std::vector<int64_t>& budgets = {32},
                                           std::optional<Schedule> schedule = {}) {
  CacheConfig base;
  base.policy.window = 8;
  base.policy.span = 2;
  base.schedule = schedule;
  auto made =
      make_variants({.policies = policies, .budgets = budgets, .kernels = {5}, .ada = {}}, base);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? std::move(*made) : std::vector<Variant>();
}

}  // namespace restkv::test
