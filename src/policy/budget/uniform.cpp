// The same for all.
#include "policy/budget/parts.h"

namespace restkv {

Result<std::vector<int64_t>> uniform_layers(const LayerSplit& args) {
  return std::vector<int64_t>(static_cast<size_t>(args.n_layer), args.budget - args.window);
}

std::vector<int64_t> uniform_heads(int64_t n_head, int64_t n_keep) {
  return std::vector<int64_t>(static_cast<size_t>(n_head), n_keep);
}

}  // namespace restkv
