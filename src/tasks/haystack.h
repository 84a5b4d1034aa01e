// The long text that needles are hidden in, as words and sentences.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "restkv/status.h"

namespace restkv {

// Thread safety: const after construction.
class Haystack {
 public:
  // A UTF-8 text file, or the *.txt files of a folder in the order of their names, joined by
  // newlines. An empty path: a text that a package of the system has brought, or an error that says
  // which. Errors: usage (no path and no package), model (unreadable, not UTF-8, no words).
  static Result<Haystack> load(const std::string& path);
  // Error: model (no words).
  static Result<Haystack> from_text(std::string text, std::string source);

  const std::string& source() const { return source_; }  // the file or folder
  const std::string& text() const { return text_; }      // as it was read

  // What stands between white space. The text is repeated where more is asked for than it has.
  int64_t n_word() const { return static_cast<int64_t>(words_.size()); }
  std::string_view word(int64_t i) const;
  // A sentence ends with a word that ends in . ! or ?, quotes and brackets behind it not counted.
  bool ends_sentence(int64_t i) const;

 private:
  struct Word {
    size_t begin = 0, size = 0;  // bytes of text_
    bool ends_sentence = false;
  };
  std::string source_, text_;
  std::vector<Word> words_;
};

}  // namespace restkv
