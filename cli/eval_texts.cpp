#include "cli/eval_texts.h"

#include "cli/eval_flags.h"

namespace restkv::cli {

void add_haystack_flag(CLI::App& app, TextFlags& flags) {
  app.add_option("--haystack", flags.haystack,
                 "text file, or folder with *.txt, that needles are hidden in (default: the text "
                 "of a package)");
}

void add_words_flag(CLI::App& app, TextFlags& flags) {
  app.add_option("--words", flags.words,
                 "folder with nouns.txt, adjectives.txt, verbs.txt, or WordNet's index files "
                 "(default: WordNet's package)");
}

Result<std::shared_ptr<const Haystack>> load_haystack(const TextFlags& flags) {
  if (flags.haystack.empty()) return std::shared_ptr<const Haystack>();
  RESTKV_ASSIGN_OR_RETURN(Haystack haystack, Haystack::load(flags.haystack));
  return std::shared_ptr<const Haystack>(std::make_shared<Haystack>(std::move(haystack)));
}

Result<std::shared_ptr<const WordLists>> load_words(const TextFlags& flags) {
  if (flags.words.empty()) return std::shared_ptr<const WordLists>();
  RESTKV_ASSIGN_OR_RETURN(WordLists words, load_word_lists(flags.words));
  return std::shared_ptr<const WordLists>(std::make_shared<WordLists>(std::move(words)));
}

nlohmann::ordered_json describe_texts(const TextFlags& flags, const Haystack* haystack,
                                      const WordLists* words) {
  nlohmann::ordered_json texts{{"haystack", "package"}, {"words", "package"}};
  if (haystack != nullptr) texts["haystack"] = file_mark(flags.haystack, haystack->text());
  if (words != nullptr) {
    std::string all;
    for (const std::string& word : all_words(*words))
      all += word + "\n";
    texts["words"] = file_mark(flags.words, all);
  }
  return texts;
}

nlohmann::ordered_json name_or_null(const std::string& path) {
  if (path.empty()) return nullptr;
  return base_name(path);
}

Status check_lengths(const std::vector<int64_t>& lengths, int64_t least) {
  if (lengths.empty()) return Status::usage("--length is empty, it must hold a number");
  for (const int64_t length : lengths)
    RESTKV_RETURN_IF_ERROR(check_range("--length", length, least, kMostTokens));
  return check_different("--length", lengths);
}

}  // namespace restkv::cli
