// SQuAD's normal form of an answer, shared by LongBench's and InfiniteBench's qa_f1.
#pragma once

#include <string_view>

namespace restkv {

// Token F1 of the normal forms: lower case, without ASCII punctuation and the words a, an, the.
double answer_f1(std::string_view prediction, std::string_view reference);

}  // namespace restkv
