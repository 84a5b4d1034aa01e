// Made-up inputs of the generators, and files that last as long as a test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tasks/draw.h"
#include "tasks/haystack.h"
#include "tasks/sample.h"
#include "tasks/source.h"
#include "tasks/word_lists.h"

namespace restkv {

// Words of two or three syllables, all different.
inline std::vector<std::string> made_up_words(size_t n, uint64_t seed) {
  constexpr std::string_view kOnsets = "bdfgklmnprstv", kVowels = "aeiou";
  std::vector<std::string> words;
  std::map<std::string, bool> seen;
  Draw draw(seed);
  while (words.size() < n) {
    std::string word;
    for (int64_t s = draw.between(2, 4); s > 0; --s) {
      word += kOnsets[static_cast<size_t>(draw.below(static_cast<int64_t>(kOnsets.size())))];
      word += kVowels[static_cast<size_t>(draw.below(static_cast<int64_t>(kVowels.size())))];
    }
    if (seen.emplace(word, true).second) words.push_back(word);
  }
  return words;
}

inline std::shared_ptr<const WordLists> made_up_lists() {
  return std::make_shared<const WordLists>(
      WordLists{made_up_words(3000, 1), made_up_words(500, 2), made_up_words(800, 3), "made up"});
}

// Sentences of 3 to 20 words, some with a quote behind the stop.
inline std::string made_up_prose(int n_sentence) {
  const std::vector<std::string> words = made_up_words(400, 4);
  Draw draw(5);
  std::string text;
  for (int s = 0; s < n_sentence; ++s) {
    const bool quoted = draw.below(5) == 0;
    text += s == 0 ? "" : (draw.below(8) == 0 ? "\n\n" : " ");
    text += quoted ? "\"The" : "The";
    for (int64_t w = draw.between(2, 19); w > 0; --w)
      text += " " + draw.pick(words);
    text += std::string(1, ".?!"[draw.below(3)]) + (quoted ? "\"" : "");
  }
  return text;
}

inline std::shared_ptr<const Haystack> made_up_haystack() {
  return std::make_shared<const Haystack>(*Haystack::from_text(made_up_prose(900), "made up"));
}

// A folder of its own, gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string form = (std::filesystem::temp_directory_path() / "restkv-tasks-XXXXXX").string();
    path_ = mkdtemp(form.data()) != nullptr ? form : "";
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  // The path of a file with that content; folders in its name are made.
  std::string write(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file.string();
  }

 private:
  std::string path_;
};

inline std::unique_ptr<SampleSource> opened(Result<std::unique_ptr<SampleSource>> source) {
  EXPECT_TRUE(source.ok()) << source.status().message();
  return source.ok() ? std::move(*source) : nullptr;
}

inline int64_t count_in(std::string_view text, std::string_view part) {
  int64_t n = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++n;
  return n;
}

// All that a sample is made of, as one number: it must never change for a seed.
inline uint64_t fingerprint(const Sample& sample) {
  return name_key(sample.id + '\n' + sample.prompt + '\n' + sample.answer_prefix + '\n' +
                  std::to_string(sample.n_new) + '\n' + sample.fields.dump());
}

inline void expect_error(const Status& status, ErrorKind kind, std::string_view part) {
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.kind(), kind) << status.message();
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}

}  // namespace restkv
