// Checks of policy options, shared by the policies that read the same option. Each error is one
// line: the command-line flag, its value, what is allowed.
#pragma once

#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>

#include "restkv/policy.h"

namespace restkv {

template <typename T>
Status rejected_option(std::string_view flag, const T& value, std::string_view allowed) {
  std::ostringstream message;
  message << flag << " is " << value << ", it must be " << allowed;
  return Status::usage(message.str());
}

// window >= 1, and even where `must_be_even` (adaptive smoothing compares its two halves).
Status check_window(const PolicyOptions& options, bool must_be_even);
// kernel >= 1 and odd.
Status check_kernel(const PolicyOptions& options);
// alpha in (0, 1], beta > 0, tau finite.
Status check_numbers(const PolicyOptions& options);
// n_sink >= 0, or -1 for the policy's own.
Status check_sinks(const PolicyOptions& options);
// `value` is one of `allowed`.
Status check_choice(std::string_view flag, const std::string& value,
                    std::initializer_list<std::string_view> allowed);

}  // namespace restkv
