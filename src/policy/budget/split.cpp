// The two entry points: a split by its kind, then what holds for all of them.
#include <algorithm>
#include <string>

#include "core/check.h"
#include "policy/budget/parts.h"

namespace restkv {
namespace {

Result<std::vector<int64_t>> layer_shares(const LayerBudget& split, const LayerSplit& args) {
  switch (split.kind) {
    case LayerBudget::Kind::uniform:
      return uniform_layers(args);
    case LayerBudget::Kind::pyramid:
      return pyramid_layers(split.pyramid_beta, args);
    case LayerBudget::Kind::table:
      return table_layers(split.table, args);
  }
  return uniform_layers(args);
}

Result<std::vector<int64_t>> head_shares(const HeadBudget& split, std::span<const HeadScores> heads,
                                         int64_t n_keep, int32_t layer) {
  const int64_t n_head = static_cast<int64_t>(heads.size());
  switch (split.kind) {
    case HeadBudget::Kind::uniform:
      return uniform_heads(n_head, n_keep);
    case HeadBudget::Kind::ada:
      return ada_heads(split, heads, n_keep);
    case HeadBudget::Kind::table:
      return table_heads(split, n_head, layer);
  }
  return uniform_heads(n_head, n_keep);
}

}  // namespace

Result<std::vector<int64_t>> split_layers(const LayerBudget& split, const LayerSplit& args) {
  RESTKV_CHECK(args.n_layer >= 1 && args.window >= 0 && args.n_forced >= 0);
  RESTKV_ASSIGN_OR_RETURN(std::vector<int64_t> shares, layer_shares(split, args));
  if (args.strict) {
    trim_largest(&shares, args.n_layer * std::max<int64_t>(0, args.budget - args.window));
  }
  for (size_t layer = 0; layer < shares.size(); ++layer) {
    if (shares[layer] >= args.n_forced && shares[layer] + args.window >= 1) continue;
    return Status::capacity("layer " + std::to_string(layer) + " would keep " +
                            std::to_string(shares[layer] + args.window) +
                            " entries per head, it must keep at least its window of " +
                            std::to_string(args.window) + " and " + std::to_string(args.n_forced) +
                            " protected entries (--kv-sink, --kv-pin, the policy's own)");
  }
  return shares;
}

Result<std::vector<int64_t>> split_heads(const HeadBudget& split, std::span<const HeadScores> heads,
                                         int64_t n_keep, int32_t layer, bool strict) {
  RESTKV_CHECK(!heads.empty() && n_keep >= 0 && layer >= 0);
  RESTKV_ASSIGN_OR_RETURN(std::vector<int64_t> shares, head_shares(split, heads, n_keep, layer));
  for (size_t h = 0; h < heads.size(); ++h)
    shares[h] = std::min(shares[h], static_cast<int64_t>(heads[h].scores.size()));
  if (strict) trim_largest(&shares, static_cast<int64_t>(heads.size()) * n_keep);
  for (size_t h = 0; h < heads.size(); ++h) {
    const int64_t n_forced = static_cast<int64_t>(heads[h].forced.size());
    if (shares[h] >= n_forced) continue;
    return Status::capacity(
        "head " + std::to_string(h) + " of layer " + std::to_string(layer) + " would keep " +
        std::to_string(shares[h]) + " entries before its window, it must keep the " +
        std::to_string(n_forced) + " that --kv-sink, --kv-pin or the policy protect");
  }
  return shares;
}

}  // namespace restkv
