#include "tasks/haystack.h"

#include <algorithm>
#include <filesystem>

#include "scores/text.h"
#include "tasks/system_files.h"
#include "tasks/text_file.h"

namespace restkv {
namespace {

namespace fs = std::filesystem;

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool ends_with_stop(std::string_view word) {
  constexpr std::string_view kClosing = "\"')]}_*";
  const size_t last = word.find_last_not_of(kClosing);
  return last != std::string_view::npos &&
         std::string_view(".!?").find(word[last]) != std::string_view::npos;
}

Result<std::string> read_folder(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().string());
  }
  if (error) return Status::model("cannot read the folder " + path + ": " + error.message());
  if (names.empty()) return Status::model("the folder " + path + " has no *.txt files");
  std::ranges::sort(names);
  std::string text;
  for (const std::string& name : names) {
    RESTKV_ASSIGN_OR_RETURN(const std::string part, read_text_file(name));
    text += (text.empty() ? "" : "\n") + part;
  }
  return text;
}

Result<std::string> system_haystack() {
  const std::optional<std::string> found = find_system_file(SystemFile::prose);
  if (found.has_value()) return *found;
  return Status::usage(
      "no haystack is given, and no package has brought one: give a text file or a folder of *.txt "
      "files, or install golang-src (Newton's Opticks is among its files)");
}

}  // namespace

Result<Haystack> Haystack::load(const std::string& path) {
  std::string source = path;
  if (path.empty()) {
    RESTKV_ASSIGN_OR_RETURN(source, system_haystack());
  }
  std::error_code error;
  const bool is_folder = fs::is_directory(source, error);
  RESTKV_ASSIGN_OR_RETURN(std::string text,
                          is_folder ? read_folder(source) : read_text_file(source));
  return from_text(std::move(text), source);
}

Result<Haystack> Haystack::from_text(std::string text, std::string source) {
  if (encode_utf8(decode_utf8(text)) != text)
    return Status::model("the haystack " + source + " is not valid UTF-8");
  Haystack haystack;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    while (i < text.size() && !is_blank(text[i]))
      ++i;
    if (i > begin) {
      const std::string_view word(text.data() + begin, i - begin);
      haystack.words_.push_back({begin, i - begin, ends_with_stop(word)});
    } else {
      ++i;
    }
  }
  if (haystack.words_.empty()) return Status::model("the haystack " + source + " has no words");
  haystack.text_ = std::move(text);
  haystack.source_ = std::move(source);
  return haystack;
}

std::string_view Haystack::word(int64_t i) const {
  const Word& word = words_[static_cast<size_t>(i) % words_.size()];
  return std::string_view(text_).substr(word.begin, word.size);
}

bool Haystack::ends_sentence(int64_t i) const {
  return words_[static_cast<size_t>(i) % words_.size()].ends_sentence;
}

}  // namespace restkv
