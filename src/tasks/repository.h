// A synthetic repository: Python modules full of small functions of whole numbers, drawn from a
// seed. Nothing in it depends on anything else, so that any part of it can be run alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace restkv {

struct RepositoryFunction {
  std::string name;                     // verb_noun, no two alike
  std::vector<std::string> parameters;  // as in the signature: the last one has a default
  std::string body;                     // lines with a margin of four blanks

  std::string signature() const;  // "name(a, b, c=3)"
  std::string code() const;       // "def name(a, b, c=3):\n" and the body
};

// Thread safety: const after construction.
class Repository {
 public:
  explicit Repository(uint64_t seed);

  // Functions that there are names for.
  static int64_t max_functions();
  // The module that function i is in, "folder/file.py": kPerModule functions have it, and no other
  // module's path ends alike.
  std::string path(int64_t i) const;
  // The same whatever else is asked for.
  RepositoryFunction function(int64_t i) const;
  // The modules of the first n functions, each behind a line "# File: path".
  std::string text(int64_t n) const;

  static constexpr int64_t kPerModule = 4;

 private:
  uint64_t seed_;
  std::vector<int64_t> names_, modules_;  // permutations
};

}  // namespace restkv
