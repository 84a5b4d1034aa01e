#include "tasks/noise.h"

namespace restkv {

Noise::Noise(std::string_view line) : line_(line) {
  while (!line.empty()) {
    const size_t stop = line.find(". ");
    const size_t end = stop == std::string_view::npos ? line.size() : stop + 1;
    sentences_.emplace_back(line.substr(0, end));
    line.remove_prefix(stop == std::string_view::npos ? end : end + 1);
  }
  if (sentences_.empty()) sentences_.emplace_back();
}

std::vector<std::string> Noise::lines(int64_t n) const {
  std::vector<std::string> lines(static_cast<size_t>(n / n_sentence()), line_);
  const auto n_rest = static_cast<size_t>(n % n_sentence());
  if (n_rest > 0) lines.push_back(join({sentences_.begin(), sentences_.begin() + n_rest}, " "));
  return lines;
}

std::vector<std::string> with_lines(std::vector<std::string> lines,
                                    const std::vector<int64_t>& places,
                                    const std::vector<std::string>& texts) {
  std::vector<std::string> result;
  result.reserve(lines.size() + texts.size());
  size_t next = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    while (next < places.size() && places[next] == static_cast<int64_t>(i))
      result.push_back(texts[next++]);
    result.push_back(std::move(lines[i]));
  }
  return result;
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += between;
    text += parts[i];
  }
  return text;
}

}  // namespace restkv
