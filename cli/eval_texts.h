// The texts that generated samples are made of: haystacks and word lists.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "restkv/status.h"
#include "tasks/haystack.h"
#include "tasks/word_lists.h"

namespace restkv::cli {

struct TextFlags {
  std::string haystack, words;
};
void add_haystack_flag(CLI::App& app, TextFlags& flags);
void add_words_flag(CLI::App& app, TextFlags& flags);

// Null where the flag is not given: the task takes what a package has brought. Error: model.
Result<std::shared_ptr<const Haystack>> load_haystack(const TextFlags& flags);
Result<std::shared_ptr<const WordLists>> load_words(const TextFlags& flags);

// {"haystack", "words"}: name and fingerprint, "package" where the flag is not given.
nlohmann::ordered_json describe_texts(const TextFlags& flags, const Haystack* haystack,
                                      const WordLists* words);

// base_name(), null for none.
nlohmann::ordered_json name_or_null(const std::string& path);

// Error: usage (none, one below `least` or above kMostTokens, one twice).
Status check_lengths(const std::vector<int64_t>& lengths, int64_t least = 1);

}  // namespace restkv::cli
