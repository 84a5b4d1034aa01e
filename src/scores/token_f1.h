// F1 of two token multisets, as all question-answering metrics use it.
#pragma once

#include <vector>

#include "scores/text.h"

namespace restkv {

// 0 where nothing is shared.
double token_f1(const std::vector<TextView>& prediction, const std::vector<TextView>& reference);
// One character, one token.
double character_f1(TextView prediction, TextView reference);

}  // namespace restkv
