// PyramidKV's layer budgets (arXiv 2406.02069; docs/policies.md, splits over layers). The published
// code knows no forced entries: here they are set aside before the split.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/check.h"
#include "policy/budget/parts.h"

namespace restkv {

int64_t pyramid_past_budget(int64_t b, int64_t n_past, int32_t layer, int32_t n_layer,
                            double beta_p) {
  RESTKV_CHECK(0 <= b && b <= n_past && 0 <= layer && layer < n_layer && beta_p >= 1.0);
  int64_t low = static_cast<int64_t>(std::floor(static_cast<double>(b) / beta_p));
  int64_t high = 2 * b - low;
  if (high >= n_past) {
    high = n_past;
    low = 2 * b - high;
  }
  if (n_layer == 1) return b;  // no slope to speak of
  return high - layer * ((high - low) / (n_layer - 1));
}

Result<std::vector<int64_t>> pyramid_layers(double beta, const LayerSplit& args) {
  if (!(beta >= 1.0)) {
    std::ostringstream message;
    message << "the pyramid's beta is " << beta << ", it must be at least 1";
    return Status::usage(message.str());
  }
  const int64_t b = args.budget - args.window;
  const int64_t open = b - args.n_forced;
  const int64_t n_past = args.n_seen - args.window - args.n_forced;
  const bool short_prompt = args.spares_short && args.n_seen < 2 * b;
  if (short_prompt || open < 0 || n_past < open) return uniform_layers(args);
  std::vector<int64_t> shares;
  shares.reserve(static_cast<size_t>(args.n_layer));
  for (int32_t layer = 0; layer < args.n_layer; ++layer) {
    shares.push_back(args.n_forced + pyramid_past_budget(open, n_past, layer, args.n_layer, beta));
  }
  return shares;
}

}  // namespace restkv
