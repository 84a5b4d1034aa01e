// ROUGE-Lsum of the Python package rouge_score 0.1.2: C.-Y. Lin, "ROUGE" (2004), section 3.2.
#pragma once

#include <string_view>

namespace restkv {

// F-measure without stemmer; sentences are lines. 0..1.
double rouge_lsum(std::string_view prediction, std::string_view reference);

}  // namespace restkv
