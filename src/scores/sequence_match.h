// How alike two strings are: the two measures between which fuzzywuzzy chooses by what is
// installed.
#pragma once

#include "scores/text.h"

namespace restkv {

// Characters in the matching blocks of difflib's SequenceMatcher(None, a, b), with its rule that in
// strings of 200 and more frequent characters of b start no block.
size_t difflib_matches(TextView a, TextView b);

// Length of a longest common subsequence.
size_t common_subsequence(TextView a, TextView b);

}  // namespace restkv
