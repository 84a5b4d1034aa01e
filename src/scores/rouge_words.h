// Words as the Python package rouge_score 0.1.2 cuts them, shared by ROUGE-1 and ROUGE-Lsum.
#pragma once

#include <string>
#include <vector>

#include "scores/text.h"

namespace restkv {

// Runs of a-z and 0-9 of the lower-cased text. Few other letters have such a lower case, but the
// Kelvin sign is one.
std::vector<std::string> rouge_words(TextView text);

// 2pr / (p + r), or 0.
double f_measure(double precision, double recall);

}  // namespace restkv
