// Made-up result lines, in the form that `restkv eval` writes.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "report/results.h"

namespace restkv::report {

struct LineSpec {
  std::string benchmark = "ruler", task = "vt", sample = "0", variant = "full", policy = "full";
  nlohmann::json length = 4096, score = 1, budget = nullptr, kernel = nullptr, depth = nullptr;
  std::string layer_budget = "uniform", head_budget = "uniform", granularity = "kv-head",
              type = "f16";
  int64_t bytes = 1024, full_bytes = 8192, over_budget = 0, truncated = 0, seed = 42;
  std::string model = "tiny";
};

inline nlohmann::json line_of(const LineSpec& spec) {
  nlohmann::json line{{"benchmark", spec.benchmark},
                      {"task", spec.task},
                      {"length", spec.length},
                      {"sample", spec.sample},
                      {"variant", spec.variant},
                      {"kv",
                       {{"policy", spec.policy},
                        {"budget", spec.budget},
                        {"layer_budget", spec.layer_budget},
                        {"head_budget", spec.head_budget},
                        {"granularity", spec.granularity},
                        {"kernel", spec.kernel},
                        {"type", spec.type},
                        {"entries", 48},
                        {"over_budget", spec.over_budget},
                        {"bytes", spec.bytes},
                        {"full_bytes", spec.full_bytes}}},
                      {"prompt_tokens", 4000},
                      {"truncated_tokens", spec.truncated},
                      {"new_tokens", 3},
                      {"finish_reason", "stop"},
                      {"prediction", "</script><script>alert(1)</script>"},
                      {"score", spec.score},
                      {"scores", nlohmann::json::object()},
                      {"outputs", {"4"}},
                      {"config",
                       {{"restkv", "0.1.0"},
                        {"model", {{"name", spec.model}, {"family", "llama"}, {"bytes", 98}}},
                        {"prompt_style", "raw"},
                        {"seed", spec.seed}}}};
  if (!spec.depth.is_null()) line["depth"] = spec.depth;
  return line;
}

// A variant of a policy at a budget: "snapkv k21 B128".
inline LineSpec evicted(const std::string& policy, int64_t budget, int64_t kernel = 0) {
  LineSpec spec;
  spec.policy = policy;
  spec.budget = budget;
  spec.variant = policy;
  if (kernel != 0) {
    spec.kernel = kernel;
    spec.variant.append(" k").append(std::to_string(kernel));
  }
  spec.variant.append(" B").append(std::to_string(budget));
  return spec;
}

// A line for each score: samples "s0", "s1" ...
inline std::vector<LineSpec> scored(LineSpec spec, const std::vector<double>& scores) {
  std::vector<LineSpec> specs;
  for (size_t i = 0; i < scores.size(); ++i) {
    spec.sample = std::string("s").append(std::to_string(i));
    spec.score = scores[i];
    specs.push_back(spec);
  }
  return specs;
}

inline Results load(const std::vector<std::vector<LineSpec>>& groups) {
  ResultLoader loader;
  for (const auto& group : groups) {
    for (const LineSpec& spec : group) {
      const Status status = loader.take(line_of(spec));
      EXPECT_TRUE(status.ok()) << status.message();
    }
  }
  return loader.finish();
}

}  // namespace restkv::report
