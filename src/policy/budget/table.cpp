// Budgets that the user gives: entries for each layer, or for each head (HeadKV, arXiv 2410.19258;
// docs/policies.md, headkv, where the table comes from offline scores of the heads).
#include <algorithm>
#include <cmath>
#include <string>

#include "policy/budget/parts.h"

namespace restkv {
namespace {

// More than any cache holds; keeps sums of shares inside 64 bits.
constexpr int64_t kMaxShare = int64_t{1} << 40;

}  // namespace

Result<std::vector<int64_t>> table_layers(std::span<const int64_t> table, const LayerSplit& args) {
  if (static_cast<int64_t>(table.size()) != args.n_layer) {
    return Status::usage("--kv-layer-budget has " + std::to_string(table.size()) +
                         " layers, it must have the model's " + std::to_string(args.n_layer));
  }
  std::vector<int64_t> shares;
  shares.reserve(table.size());
  for (int64_t entries : table)
    shares.push_back(std::clamp<int64_t>(entries, 0, kMaxShare) - args.window);
  return shares;
}

Result<std::vector<int64_t>> table_heads(const HeadBudget& split, int64_t n_head, int32_t layer) {
  if (layer >= static_cast<int64_t>(split.table.size())) {
    return Status::usage("--kv-head-budget has " + std::to_string(split.table.size()) +
                         " layers, it must have one for layer " + std::to_string(layer));
  }
  const std::vector<int64_t>& row = split.table[layer];
  const int64_t n_cap = static_cast<int64_t>(row.size());
  if (n_cap == 0 || n_cap % n_head != 0) {
    return Status::usage("--kv-head-budget has " + std::to_string(n_cap) + " heads in layer " +
                         std::to_string(layer) + ", it must have " + std::to_string(n_head) +
                         " or a multiple of it");
  }
  if (std::ranges::any_of(row, [](int64_t cap) { return cap < 0 || cap > kMaxShare; })) {
    return Status::usage("--kv-head-budget has a number in layer " + std::to_string(layer) +
                         " that is no count of entries");
  }
  const int64_t n_group = n_cap / n_head;
  std::vector<int64_t> shares;
  for (int64_t h = 0; h < n_head; ++h) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n_group; ++i)
      sum += row[h * n_group + i];
    const double mean = static_cast<double>(sum) / static_cast<double>(n_group);
    shares.push_back(static_cast<int64_t>(std::nearbyint(mean)));  // half to even
  }
  return shares;
}

}  // namespace restkv
