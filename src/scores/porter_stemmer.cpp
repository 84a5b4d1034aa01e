#include "scores/porter_stemmer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace restkv {
namespace {

using View = std::string_view;

struct Pair {
  View from, to;
};

// NLTK: words whose stem is looked up.
constexpr std::array kIrregular = {
    Pair{"skies", "sky"},      Pair{"sky", "sky"},          Pair{"dying", "die"},
    Pair{"lying", "lie"},      Pair{"tying", "tie"},        Pair{"news", "news"},
    Pair{"innings", "inning"}, Pair{"inning", "inning"},    Pair{"outings", "outing"},
    Pair{"outing", "outing"},  Pair{"cannings", "canning"}, Pair{"canning", "canning"},
    Pair{"howe", "howe"},      Pair{"proceed", "proceed"},  Pair{"exceed", "exceed"},
    Pair{"succeed", "succeed"}};

// Of each step the first suffix that fits decides, also where its condition then fails.
constexpr std::array kStep2 = {
    Pair{"ational", "ate"}, Pair{"tional", "tion"}, Pair{"enci", "ence"},   Pair{"anci", "ance"},
    Pair{"izer", "ize"},    Pair{"bli", "ble"},     Pair{"alli", "al"},     Pair{"entli", "ent"},
    Pair{"eli", "e"},       Pair{"ousli", "ous"},   Pair{"ization", "ize"}, Pair{"ation", "ate"},
    Pair{"ator", "ate"},    Pair{"alism", "al"},    Pair{"iveness", "ive"}, Pair{"fulness", "ful"},
    Pair{"ousness", "ous"}, Pair{"aliti", "al"},    Pair{"iviti", "ive"},   Pair{"biliti", "ble"},
    Pair{"fulli", "ful"}};
constexpr std::array kStep3 = {Pair{"icate", "ic"}, Pair{"ative", ""},  Pair{"alize", "al"},
                               Pair{"iciti", "ic"}, Pair{"ical", "ic"}, Pair{"ful", ""},
                               Pair{"ness", ""}};
constexpr std::array<View, 18> kStep4 = {"al",   "ance", "ence",  "er",   "ic",  "able",
                                         "ible", "ant",  "ement", "ment", "ent", "ou",
                                         "ism",  "ate",  "iti",   "ous",  "ive", "ize"};

// One letter for each of the word's: 'c' a consonant, 'v' a vowel.
std::string shape(View word) {
  std::string kinds;
  for (const char c : word) {
    const bool vowel = c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' ||
                       (c == 'y' && kinds.ends_with('c'));
    kinds.push_back(vowel ? 'v' : 'c');
  }
  return kinds;
}

// m: how often a vowel is followed by a consonant.
int measure(View stem) {
  const std::string kinds = shape(stem);
  int m = 0;
  for (size_t i = 1; i < kinds.size(); ++i)
    m += kinds[i - 1] == 'v' && kinds[i] == 'c';
  return m;
}

bool has_vowel(View stem) {
  return shape(stem).find('v') != std::string::npos;
}

bool ends_double_consonant(View word) {
  const size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && shape(word).back() == 'c';
}

// Consonant, vowel, consonant other than w, x, y; NLTK: or a word of a vowel and a consonant.
bool ends_cvc(View word) {
  const std::string kinds = shape(word);
  if (kinds == "vc") return true;
  return kinds.ends_with("cvc") && View("wxy").find(word.back()) == View::npos;
}

View without(View word, size_t n) {
  return word.substr(0, word.size() - n);
}

bool replace_suffix(std::string* word, View from, View to, int measure_above) {
  if (!word->ends_with(from)) return false;
  const View stem = without(*word, from.size());
  if (measure(stem) > measure_above) *word = std::string(stem) + std::string(to);
  return true;
}

void apply(std::span<const Pair> rules, std::string* word) {
  for (const Pair& rule : rules) {
    if (replace_suffix(word, rule.from, rule.to, 0)) return;
  }
}

void step_1a(std::string* word) {
  if (word->size() == 4 && word->ends_with("ies")) {
    word->pop_back();  // NLTK: "flies" gives "fli", but "dies" gives "die"
  } else if (word->ends_with("sses") || word->ends_with("ies")) {
    word->resize(word->size() - 2);
  } else if (word->ends_with("s") && !word->ends_with("ss")) {
    word->pop_back();
  }
}

// What is left after -ed or -ing gets its ending back.
void repair(std::string* word) {
  if (word->ends_with("at") || word->ends_with("bl") || word->ends_with("iz")) {
    word->push_back('e');
  } else if (ends_double_consonant(*word)) {
    const char last = word->back();
    if (last != 'l' && last != 's' && last != 'z') word->pop_back();
  } else if (measure(*word) == 1 && ends_cvc(*word)) {
    word->push_back('e');
  }
}

void step_1b(std::string* word) {
  if (word->ends_with("ied")) {  // NLTK
    word->resize(word->size() - (word->size() == 4 ? 1 : 2));
    return;
  }
  if (replace_suffix(word, "eed", "ee", 0)) return;
  for (const View suffix : {View("ed"), View("ing")}) {
    if (!word->ends_with(suffix) || !has_vowel(without(*word, suffix.size()))) continue;
    word->resize(word->size() - suffix.size());
    repair(word);
    return;
  }
}

// NLTK: behind a consonant that is not the first letter.
void step_1c(std::string* word) {
  const size_t n = word->size();
  if (n > 2 && word->back() == 'y' && shape(*word)[n - 2] == 'c') word->back() = 'i';
}

void step_2(std::string* word) {
  // NLTK: "alli" gives its stem another turn.
  if (word->ends_with("alli") && measure(without(*word, 4)) > 0) {
    word->resize(word->size() - 2);
    step_2(word);
    return;
  }
  if (word->ends_with("logi")) {  // NLTK; the l counts as a part of the stem
    if (measure(without(*word, 3)) > 0) word->pop_back();
    return;
  }
  apply(kStep2, word);
}

void step_4(std::string* word) {
  for (const View suffix : kStep4) {
    if (replace_suffix(word, suffix, "", 1)) return;
  }
  if (word->ends_with("sion") || word->ends_with("tion")) replace_suffix(word, "ion", "", 1);
}

void step_5(std::string* word) {
  if (word->ends_with("e")) {
    const View stem = without(*word, 1);
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_cvc(stem))) word->pop_back();
  }
  if (word->ends_with("ll") && measure(without(*word, 1)) > 1) word->pop_back();
}

}  // namespace

std::string porter_stem(std::string word) {
  const auto irregular = std::ranges::find(kIrregular, View(word), &Pair::from);
  if (irregular != kIrregular.end()) return std::string(irregular->to);
  if (word.size() <= 2) return word;
  step_1a(&word);
  step_1b(&word);
  step_1c(&word);
  step_2(&word);
  apply(kStep3, &word);
  step_4(&word);
  step_5(&word);
  return word;
}

}  // namespace restkv
