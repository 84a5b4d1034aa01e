// What each policy's metadata means, for the policies that saved cases name.
#pragma once

#include "cli/golden_case.h"

namespace restkv::cli {

constexpr int64_t kMaxCount = 1 << 20;  // heads, layers, widths: far beyond any model
constexpr int64_t kMaxLength = INT32_MAX;

// Which of the shared metadata a policy's cases have.
enum class GoldenContent {
  window,        // the queries of the window
  all_queries,   // those of every position; a window as well
  last_queries,  // the prompt's last one and those of the decoded tokens; no window
  no_queries,    // one that means nothing; no window
  positions,     // no tensors
};

struct GoldenPolicy {
  std::string_view name;  // golden.policy
  GoldenContent content = GoldenContent::window;
  // Fills in the policy's options and splits, from the shape that was read before. Error: model.
  Status (*read)(const GoldenFile& file, GoldenCase* c) = nullptr;
};

// Error: usage (a name that is not known).
Result<const GoldenPolicy*> find_golden_policy(const GoldenFile& file);

}  // namespace restkv::cli
