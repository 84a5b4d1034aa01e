#include <cmath>
#include <sstream>

#include "sparse/pattern.h"

namespace restkv::sparse {
namespace {

using Kind = PrefillAttention::Kind;

constexpr int64_t kMaxTokens = int64_t{1} << 30;

Status rejected(std::string_view flag, double value, std::string_view allowed) {
  std::ostringstream message;
  message.precision(12);
  message << flag << " is " << value << ", it must be " << allowed;
  return Status::usage(message.str());
}

Status check_tokens(std::string_view flag, int64_t value, int64_t least) {
  if (value >= least && value <= kMaxTokens) return {};
  return rejected(flag, static_cast<double>(value),
                  "from " + std::to_string(least) + " to " + std::to_string(kMaxTokens));
}

}  // namespace

Status check(const PrefillAttention& o) {
  if (!(o.gamma > 0.0 && o.gamma <= 1.0)) {
    return rejected("--prefill-gamma", o.gamma, "above 0 and at most 1");
  }
  if (!(o.tau >= 0.0 && o.tau <= 1.0)) return rejected("--prefill-tau", o.tau, "from 0 to 1");
  RESTKV_RETURN_IF_ERROR(check_tokens("--prefill-min-budget", o.min_budget, 0));
  RESTKV_RETURN_IF_ERROR(check_tokens("--prefill-vertical", o.n_vertical, 0));
  RESTKV_RETURN_IF_ERROR(check_tokens("--prefill-slash", o.n_slash, 0));
  RESTKV_RETURN_IF_ERROR(check_tokens("--prefill-sink", o.n_sink, 0));
  return check_tokens("--prefill-local", o.n_local, 1);
}

Result<std::unique_ptr<const PrefillPattern>> make_pattern(const PrefillAttention& options) {
  RESTKV_RETURN_IF_ERROR(check(options));
  switch (options.kind) {
    case Kind::flex:
      return make_flex(options);
    case Kind::minference:
      return make_minference(options);
    case Kind::a_shape:
      return make_a_shape(options);
    case Kind::dense:
      break;
  }
  return std::unique_ptr<const PrefillPattern>();
}

std::vector<std::string_view> pattern_names() {
  return {"dense", "flex", "minference", "a-shape"};
}

std::string_view pattern_name(Kind kind) {
  return pattern_names()[static_cast<size_t>(kind)];
}

}  // namespace restkv::sparse
