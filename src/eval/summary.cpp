#include "eval/summary.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "eval/result_file.h"

namespace restkv {
namespace {

constexpr int kColumn = 10;  // characters

template <typename T>
void add_once(std::vector<T>* list, const T& value) {
  if (std::ranges::find(*list, value) == list->end()) list->push_back(value);
}

std::string right(const std::string& text) {
  const size_t n = text.size() < kColumn ? kColumn - text.size() : 1;
  return std::string(n, ' ') + text;
}

std::string score_text(const std::vector<SummaryCell>& cells, const std::string& variant,
                       const std::optional<int64_t>& length) {
  for (const SummaryCell& cell : cells) {
    if (cell.variant != variant || cell.length != length) continue;
    if (!cell.score()) return "none";
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", *cell.score());
    return text;
  }
  return "-";
}

std::string task_table(const std::vector<SummaryCell>& cells) {
  std::vector<std::optional<int64_t>> lengths;
  std::vector<std::string> variants;
  size_t width = cells.front().task.size();
  int64_t n = 0;
  for (const SummaryCell& cell : cells) {
    add_once(&lengths, cell.length);
    add_once(&variants, cell.variant);
    width = std::max(width, cell.variant.size() + 2);
    n = std::max(n, cell.n);
  }
  std::string table = cells.front().task + std::string(width - cells.front().task.size(), ' ');
  for (const auto& length : lengths)
    table += right(length ? std::to_string(*length) : "score");
  table += "   (" + std::to_string(n) + " samples)\n";
  for (const std::string& variant : variants) {
    table += "  " + variant + std::string(width - variant.size() - 2, ' ');
    for (const auto& length : lengths)
      table += right(score_text(cells, variant, length));
    table += "\n";
  }
  return table;
}

}  // namespace

Result<std::vector<SummaryCell>> summarize(const std::string& path) {
  std::vector<SummaryCell> cells;
  std::map<std::string, size_t> index;
  const auto take = [&](const StoredLine& line, std::string_view) -> Status {
    SamplePlace place = line.place;
    place.sample = line.variant;  // one cell a variant
    const auto [at, is_new] = index.try_emplace(place.key(), cells.size());
    if (is_new)
      cells.push_back({.benchmark = place.benchmark,
                       .task = place.task,
                       .length = place.length,
                       .variant = line.variant});
    SummaryCell& cell = cells[at->second];
    ++cell.n;
    cell.kv_bytes += line.record.value("/kv/bytes"_json_pointer, 0.0);
    const auto score = line.record.find("score");
    if (score == line.record.end() || !score->is_number()) return {};
    ++cell.n_scored;
    cell.total += score->get<double>();
    return {};
  };
  RESTKV_RETURN_IF_ERROR(for_each_result_line(path, take).status());
  return cells;
}

std::string summary_table(const std::vector<SummaryCell>& cells) {
  std::vector<std::string> tasks;
  for (const SummaryCell& cell : cells)
    add_once(&tasks, cell.task);
  std::string table;
  for (const std::string& task : tasks) {
    std::vector<SummaryCell> of_task;
    std::ranges::copy_if(cells, std::back_inserter(of_task),
                         [&](const SummaryCell& cell) { return cell.task == task; });
    if (!table.empty()) table += "\n";
    table += task_table(of_task);
  }
  return table;
}

}  // namespace restkv
