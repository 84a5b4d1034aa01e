#include "tasks/word_lists.h"

#include <charconv>
#include <filesystem>
#include <sstream>
#include <unordered_set>

#include "scores/text.h"
#include "tasks/system_files.h"
#include "tasks/text_file.h"

namespace restkv {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFewestWords = 100;
constexpr size_t kShortestWord = 3;  // WordNet has "a" and "xi" as nouns

// Order of the first occurrences; case does not tell words apart.
std::vector<std::string> distinct(const std::vector<std::string>& words) {
  std::vector<std::string> kept;
  std::unordered_set<std::string> seen;
  for (const std::string& word : words) {
    if (seen.insert(encode_utf8(lower(decode_utf8(word)))).second) kept.push_back(word);
  }
  return kept;
}

std::vector<std::string> words_of_lines(const std::string& content) {
  std::vector<std::string> words;
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    const Text text = decode_utf8(line);
    const std::vector<TextView> parts = split_words(text);
    if (parts.size() == 1) words.push_back(encode_utf8(parts[0]));
  }
  return words;
}

// How often WordNet's tagged texts use a word: its line is `lemma pos n_synset n_pointer
// pointer... n_sense n_tagged offset...` (wndb(5WN)). 0 for a malformed line, too.
int64_t tagged_uses(std::istringstream& line) {
  std::string skipped;
  int64_t n_synset = 0, n_pointer = 0, n_sense = 0, n_tagged = 0;
  line >> skipped >> n_synset >> n_pointer;
  for (int64_t i = 0; i < n_pointer && line; ++i)
    line >> skipped;
  line >> n_sense >> n_tagged;
  return line ? n_tagged : 0;
}

std::vector<std::string> words_of_wordnet(const std::string& content) {
  std::vector<std::string> words;
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string word;
    fields >> word;
    if (line.starts_with(' ') || word.size() < kShortestWord ||
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos)
      continue;  // the licence, abbreviations, names, compounds
    if (tagged_uses(fields) > 0) words.push_back(word);
  }
  return words;
}

Result<std::vector<std::string>> read_list(const std::string& path, bool wordnet) {
  RESTKV_ASSIGN_OR_RETURN(const std::string content, read_text_file(path));
  std::vector<std::string> words =
      distinct(wordnet ? words_of_wordnet(content) : words_of_lines(content));
  if (words.size() < kFewestWords) {
    return Status::model(path + " has " + std::to_string(words.size()) +
                         " different words, a list needs " + std::to_string(kFewestWords));
  }
  return words;
}

Result<std::string> system_words() {
  const std::optional<std::string> found = find_system_file(SystemFile::wordnet);
  if (found.has_value()) return *found;
  return Status::usage(
      "no word lists are given, and no package has brought any: give a folder with nouns.txt, "
      "adjectives.txt and verbs.txt, or install wordnet-base");
}

}  // namespace

Result<WordLists> load_word_lists(const std::string& path) {
  WordLists lists;
  lists.source = path;
  if (path.empty()) {
    RESTKV_ASSIGN_OR_RETURN(lists.source, system_words());
  }
  std::error_code error;
  const fs::path folder = lists.source;
  const bool wordnet =
      !fs::exists(folder / "nouns.txt", error) && fs::exists(folder / "index.noun", error);
  const auto file = [&](const char* plain, const char* index) {
    return (folder / (wordnet ? index : plain)).string();
  };
  RESTKV_ASSIGN_OR_RETURN(lists.nouns, read_list(file("nouns.txt", "index.noun"), wordnet));
  RESTKV_ASSIGN_OR_RETURN(lists.adjectives,
                          read_list(file("adjectives.txt", "index.adj"), wordnet));
  RESTKV_ASSIGN_OR_RETURN(lists.verbs, read_list(file("verbs.txt", "index.verb"), wordnet));
  return lists;
}

std::vector<std::string> all_words(const WordLists& lists) {
  std::vector<std::string> words = lists.nouns;
  words.insert(words.end(), lists.adjectives.begin(), lists.adjectives.end());
  words.insert(words.end(), lists.verbs.begin(), lists.verbs.end());
  return distinct(words);
}

}  // namespace restkv
