// One saved selection problem: tensors of one layer, and the policy, splits and options that its
// metadata names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/golden_file.h"
#include "restkv/budget.h"
#include "restkv/policy.h"

namespace restkv::cli {

// Whose entries one list of the selection is.
enum class GoldenUnit {
  head,   // a query head, or a KV head by SelectionOptions::granularity
  layer,  // all heads of the layer alike: one list
  every_layer,
};

struct GoldenCase {
  std::string policy;  // the file's own name for it: restkv, ablation, snapkv, ...
  PolicyOptions options;
  SelectionOptions selection;
  LayerBudget layer_budget;
  HeadBudget head_budget;
  GoldenUnit unit = GoldenUnit::head;
  int32_t n_head = 1, n_head_kv = 1;
  int64_t head_dim = 0, n_embd = 0;
  int64_t length = 0;              // L
  int64_t budget = 0, window = 0;  // B, W
  int32_t layer = 0, n_layer = 1;
  // The last n_decode positions arrive one by one, and the policy runs after each.
  bool stepwise = false;
  int64_t n_decode = 0;
  // The last n_query positions' queries are there; 0: the case has no tensors.
  int64_t n_query = 0;
  std::vector<float> q;   // [n_head][n_query][head_dim]
  std::vector<float> k;   // [n_head_kv][length][head_dim]
  std::vector<float> v;   // [n_head_kv][length][head_dim]
  std::vector<float> wo;  // [n_embd][n_head * head_dim]

  int32_t n_group() const { return n_head / n_head_kv; }
  bool per_kv_head() const { return selection.granularity == Granularity::kv_head; }
};

// Errors: usage (a policy that this command cannot run, by name), model (everything else).
Result<GoldenCase> read_golden_case(const GoldenFile& file);

}  // namespace restkv::cli
