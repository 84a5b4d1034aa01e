// One saved selection problem: tensors of one layer, and the policy and options that its metadata
// names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/golden_file.h"
#include "restkv/policy.h"

namespace restkv::cli {

struct GoldenCase {
  std::string policy;  // the file's own name for it: restkv, ablation, snapkv, streamingllm
  PolicyOptions options;
  SelectionOptions selection;
  int32_t n_head = 1, n_head_kv = 1;
  int64_t head_dim = 0, n_embd = 0;
  int64_t length = 0;              // L
  int64_t budget = 0, window = 0;  // B, W
  bool use_pyramid = false;        // past entries of this layer by PyramidKV's rule
  int32_t layer = 0, n_layer = 1;
  double pyramid_beta = 20.0;
  std::vector<float> q;   // [n_head][window][head_dim]
  std::vector<float> k;   // [n_head_kv][length][head_dim]
  std::vector<float> v;   // [n_head_kv][length][head_dim]
  std::vector<float> wo;  // [n_embd][n_head * head_dim]

  int32_t n_group() const { return n_head / n_head_kv; }
};

// Errors: usage (a policy that this command cannot run, by name), model (everything else).
Result<GoldenCase> read_golden_case(const GoldenFile& file);

}  // namespace restkv::cli
