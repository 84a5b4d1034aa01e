// Filler that says the same over and over: a line of a few short sentences.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace restkv {

// Thread safety: const after construction.
class Noise {
 public:
  // A line, cut behind each full stop that a space follows.
  explicit Noise(std::string_view line);

  int64_t n_sentence() const { return static_cast<int64_t>(sentences_.size()); }
  // The lines that n sentences make; the last one may be cut short.
  int64_t n_line(int64_t n) const { return (n + n_sentence() - 1) / n_sentence(); }
  std::vector<std::string> lines(int64_t n) const;

 private:
  std::string line_;
  std::vector<std::string> sentences_;
};

// Puts texts before different lines, drawn by who calls. REQUIRES: places ascend, are in [0,
// n_line).
std::vector<std::string> with_lines(std::vector<std::string> lines,
                                    const std::vector<int64_t>& places,
                                    const std::vector<std::string>& texts);

std::string join(const std::vector<std::string>& parts, std::string_view between);

}  // namespace restkv
