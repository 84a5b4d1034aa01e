#include "policy/options.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace restkv {

Status check_window(const PolicyOptions& options, bool must_be_even) {
  if (options.window < 1) return rejected_option("--kv-window", options.window, "at least 1");
  if (must_be_even && options.window % 2 != 0) {
    return rejected_option("--kv-window", options.window,
                           "even: adaptive smoothing compares its two halves");
  }
  return {};
}

Status check_kernel(const PolicyOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 40;  // sums of positions stay inside 64 bits
  if (options.kernel < 1 || options.kernel % 2 == 0 || options.kernel > kMost) {
    return rejected_option("--kv-kernel", options.kernel,
                           "odd and from 1 to " + std::to_string(kMost));
  }
  return {};
}

Status check_numbers(const PolicyOptions& options) {
  if (!(options.alpha > 0.0 && options.alpha <= 1.0)) {
    return rejected_option("--kv-alpha", options.alpha, "above 0 and at most 1");
  }
  if (!(options.beta > 0.0) || !std::isfinite(options.beta)) {
    return rejected_option("--kv-beta", options.beta, "above 0");
  }
  if (!std::isfinite(options.tau)) return rejected_option("--kv-tau", options.tau, "a number");
  return {};
}

Status check_sinks(const PolicyOptions& options) {
  if (options.n_sink >= -1 && options.n_sink <= INT32_MAX) return {};
  return rejected_option("--kv-sink", options.n_sink,
                         "from 0 to " + std::to_string(INT32_MAX) + ", or -1 for the policy's own");
}

Status check_choice(std::string_view flag, const std::string& value,
                    std::initializer_list<std::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return {};
  std::string list;
  for (std::string_view name : allowed) {
    if (!list.empty()) list += ", ";
    list += name;
  }
  return rejected_option(flag, "'" + value + "'", "one of " + list);
}

}  // namespace restkv
