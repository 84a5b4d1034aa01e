// English words for keys (adjective-noun) and for lists of words.
#pragma once

#include <string>
#include <vector>

#include "restkv/status.h"

namespace restkv {

// In each list no word occurs twice, in whatever case. Thread safety: const after construction.
struct WordLists {
  std::vector<std::string> nouns, adjectives, verbs;
  std::string source;  // the folder
};

// From nouns.txt, adjectives.txt and verbs.txt of a folder, a word a line (lines of several
// words are left out), in the files' order;
// from WordNet's index files where the folder has those instead (index.noun ...): of these the
// plain lower-case words that its tagged texts use. An empty path: WordNet as a package of the
// system has brought it, or an error that says which. Errors: usage (no path and no package), model
// (unreadable, fewer than 100 words in a list).
Result<WordLists> load_word_lists(const std::string& path);

// Nouns, adjectives, verbs in this order, without repeats.
std::vector<std::string> all_words(const WordLists& lists);

}  // namespace restkv
