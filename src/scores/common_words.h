// Longest common subsequences of words, as the two ROUGE packages trace them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace restkv {

// Equal words have equal numbers.
template <typename String>
class WordNumbers {
 public:
  int32_t of(const String& word) {
    return numbers_.try_emplace(word, static_cast<int32_t>(numbers_.size())).first->second;
  }
  size_t size() const { return numbers_.size(); }

 private:
  std::unordered_map<String, int32_t> numbers_;
};

// Where a step to the front may go in either sentence without loss, it goes in this one.
enum class TieStep { reference, prediction };

// Places in `reference`, descending, of one longest common subsequence: traced from the ends of
// both. One bit of memory for each pair of words.
std::vector<size_t> common_places(std::span<const int32_t> reference,
                                  std::span<const int32_t> prediction, TieStep on_tie);

}  // namespace restkv
