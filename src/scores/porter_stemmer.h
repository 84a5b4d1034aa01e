// Stems of English words: M. F. Porter, "An algorithm for suffix stripping" (Program 14, 1980), in
// the extended form of NLTK's PorterStemmer, which rouge_score uses.
#pragma once

#include <string>

namespace restkv {

// REQUIRES: word consists of a-z and 0-9.
std::string porter_stem(std::string word);

}  // namespace restkv
