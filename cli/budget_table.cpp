#include "cli/budget_table.h"

#include <charconv>
#include <sstream>

#include "cli/runtime.h"
#include "model/gguf_check.h"

namespace restkv::cli {
namespace {

constexpr int64_t kMaxBudget = int64_t{1} << 30;

Result<std::vector<int64_t>> parse_line(std::string line, const std::string& where) {
  line = line.substr(0, line.find('#'));
  for (char& c : line) {
    if (c == ',') c = ' ';
  }
  std::istringstream words(line);
  std::vector<int64_t> numbers;
  for (std::string word; words >> word;) {
    int64_t number = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size() || number < 0 ||
        number > kMaxBudget) {
      return Status::model(where + " has '" + printable(word) +
                           "', it must be a whole number from 0 to " + std::to_string(kMaxBudget));
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

Result<std::vector<std::vector<int64_t>>> read_budget_table(const std::string& path) {
  if (path.empty()) return Status::usage("table: names no file, it must be table:FILE");
  RESTKV_ASSIGN_OR_RETURN(const std::string text, read_text(path));
  std::istringstream lines(text);
  std::vector<std::vector<int64_t>> table;
  int64_t n_line = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = path + ", line " + std::to_string(++n_line);
    RESTKV_ASSIGN_OR_RETURN(std::vector<int64_t> numbers, parse_line(line, where));
    if (!numbers.empty()) table.push_back(std::move(numbers));
  }
  if (table.empty()) return Status::model(path + " has no numbers");
  return table;
}

}  // namespace restkv::cli
