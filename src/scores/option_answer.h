// The part of the letter rules that En.MC and Code.Debug share.
#pragma once

#include <optional>
#include <vector>

#include "scores/infinitebench.h"
#include "scores/text.h"

namespace restkv {

// Takes the first of `phrases` that occurs in `text`: 1 if what begins one character behind it
// begins with an option, else 0. Nothing where no phrase occurs. TypeError where it comes to an
// option that is no string.
std::optional<Score> option_behind(TextView text, const std::vector<TextView>& phrases,
                                   const std::vector<Label>& options);

}  // namespace restkv
