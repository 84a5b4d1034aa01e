#include "report/paper.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "report/numbers.h"
#include "report/paper_figures.h"
#include "scores/longbench.h"
#include "scores/ruler.h"

namespace restkv::report {
namespace {

constexpr std::string_view kAverage = "average";

// The paper's name of what the series does; empty: it has none.
std::string_view method_of(const Series& series) {
  const bool pyramid = series.layer_budget == "pyramid" && series.head_budget == "uniform";
  if (series.policy == "pyramidkv" || (series.policy == "snapkv" && pyramid)) return "PyramidKV";
  if (series.has_splits()) return "";
  constexpr std::pair<std::string_view, std::string_view> kMethods[] = {
      {"full", "Full"},     {"rest-kv", "ReST-KV"}, {"streaming-llm", "StreamingLLM"},
      {"snapkv", "SnapKV"}, {"h2o", "H2O"},         {"h2o-noncausal", "H2O"},
      {"tova", "TOVA"},
  };
  for (const auto& [policy, method] : kMethods) {
    if (series.policy == policy) return method;
  }
  return "";
}

// A row of the paper's or of ours; numbers by length or budget, 0 for what has neither.
struct Row {
  std::string method, source;
  std::map<int64_t, std::string> numbers;
};

// Method by method in the paper's order: its rows, then ours. Methods that the paper has no figures
// of are left out.
std::vector<Row> merged(const std::vector<Row>& paper, const std::vector<Row>& ours) {
  std::vector<Row> rows;
  for (const Row& first : paper) {
    const auto is_known = [&](const Row& row) { return row.method == first.method; };
    if (std::ranges::any_of(rows, is_known)) continue;
    std::ranges::copy_if(paper, std::back_inserter(rows), is_known);
    std::ranges::copy_if(ours, std::back_inserter(rows), is_known);
  }
  return rows;
}

Table table_of(const std::string& title, const std::vector<Row>& rows,
               const std::string& zero_title, bool zero_first) {
  Table table{title, 2, {"method", "source"}, {}, true};
  std::set<int64_t> places;
  for (const Row& row : rows) {
    for (const auto& [place, text] : row.numbers)
      places.insert(place);
  }
  std::vector<int64_t> columns(places.begin(), places.end());
  if (!zero_first && !columns.empty() && columns.front() == 0)
    std::ranges::rotate(columns, columns.begin() + 1);
  for (const int64_t place : columns)
    table.columns.push_back(place == 0 ? zero_title : grouped(place));
  for (const Row& row : rows) {
    std::vector<std::string>& cells = table.rows.emplace_back();
    cells = {row.method, row.source};
    for (const int64_t place : columns) {
      const auto found = row.numbers.find(place);
      cells.push_back(found == row.numbers.end() ? "" : found->second);
    }
  }
  return table;
}

std::vector<Row> paper_ruler() {
  std::vector<Row> rows;
  for (const PaperRuler& paper : kPaperRuler) {
    Row& row = rows.emplace_back(
        Row{std::string(paper.method), "paper, " + std::string(kPaperRulerModel), {}});
    for (size_t i = 0; i < kPaperRulerLengths.size(); ++i)
      row.numbers[kPaperRulerLengths[i]] = fixed(paper.by_length[i], 2);
    row.numbers[0] = fixed(paper.average, 2);
  }
  return rows;
}

std::vector<Row> paper_longbench() {
  std::vector<Row> rows;
  for (const PaperFull& full : kPaperLongBenchFull)
    rows.push_back({"Full", "paper, " + std::string(full.model), {{0, fixed(full.score, 2)}}});
  for (const PaperLongBench& paper : kPaperLongBench) {
    Row& row =
        rows.emplace_back(Row{std::string(paper.method), "paper, " + std::string(paper.model), {}});
    for (size_t i = 0; i < kPaperLongBenchBudgets.size(); ++i)
      row.numbers[kPaperLongBenchBudgets[i]] = fixed(paper.by_budget[i], 2);
  }
  return rows;
}

// The paper's budget, or the largest one if it was not run.
int64_t budget_beside(const Section& section) {
  int64_t most = 0;
  for (const Variant& variant : section.variants) {
    if (variant.budget == kPaperRulerBudget) return variant.budget;
    most = std::max(most, variant.budget);
  }
  return most;
}

// Our rows: `place` says where a score of a scope and variant stands, if it does.
template <typename Place>
std::vector<Row> our_rows(const Section& section, const Estimates& estimates, Place place) {
  std::map<size_t, Row> by_series;
  for (size_t scope = 0; scope < estimates.scopes.size(); ++scope) {
    for (size_t q = 0; q < estimates.quantities.size(); ++q) {
      const Quantity& quantity = estimates.quantities[q];
      if (quantity.reference || !estimates.at(scope, q)) continue;
      const Variant& variant = section.variants[quantity.variant];
      const Series& series = section.series[variant.series];
      const std::optional<int64_t> where = place(estimates.scopes[scope], variant);
      if (!where || method_of(series).empty()) continue;
      Row& row = by_series[variant.series];
      row.method = method_of(series);
      row.source = "here, " + series.name;
      row.numbers[*where] = score_text(estimates.at(scope, q));
    }
  }
  std::vector<Row> rows;
  for (auto& [series, row] : by_series)
    rows.push_back(std::move(row));
  return rows;
}

size_t n_reference_task(const Section& section) {
  std::set<std::string> tasks;
  for (const Stratum& stratum : section.strata) {
    const auto task = find_ruler_task(stratum.task);
    if (task.ok() && (*task)->in_reference) tasks.insert(stratum.task);
  }
  return tasks.size();
}

size_t n_task(const Section& section) {
  std::set<std::string> tasks;
  for (const Stratum& stratum : section.strata)
    tasks.insert(stratum.task);
  return tasks.size();
}

void add_ruler(const Section& section, const Estimates& estimates, Chapter* chapter) {
  const int64_t budget = budget_beside(section);
  const auto place = [&](const Scope& scope, const Variant& variant) -> std::optional<int64_t> {
    if (!scope.is_average() || (variant.budget != 0 && variant.budget != budget))
      return std::nullopt;
    return scope.length.value_or(0);
  };
  const auto ours = our_rows(section, estimates, place);
  if (ours.empty()) return;
  const size_t n = n_task(section);
  const bool same_tasks = n == kPaperRulerTasks && n_reference_task(section) == n;
  chapter->notes.push_back(
      "Paper: mean over 11 tasks, budget 1,024 per query head, 500 samples a task. Here: mean "
      "over " +
      counted(n, "task") + (same_tasks ? ", the same" : ", not the same set") +
      (budget == 0 ? ", no budget" : ", budget " + grouped(budget)) + ", other models.");
  chapter->tables.push_back(
      table_of("RULER by length", merged(paper_ruler(), ours), std::string(kAverage), false));
}

void add_longbench(const Section& section, const Estimates& estimates, Chapter* chapter) {
  const auto place = [](const Scope& scope, const Variant& variant) -> std::optional<int64_t> {
    if (scope.name != "average of data sets") return std::nullopt;
    return variant.budget;
  };
  const auto ours = our_rows(section, estimates, place);
  if (ours.empty()) return;
  chapter->notes.push_back("Paper: average of 16 data sets, cache per query head. Here: " +
                           std::to_string(n_task(section)) + " of the " +
                           std::to_string(longbench_tasks().size()) + " sets, other models.");
  chapter->tables.push_back(table_of("LongBench, average of data sets by budget",
                                     merged(paper_longbench(), ours), "no budget", true));
}

}  // namespace

Chapter paper_chapter(const Section& section, const Estimates& estimates) {
  Chapter chapter{"Beside the paper", {}, {}, {}, ""};
  chapter.notes = {
      "Figures of arXiv 2605.08840, measured there on the models that are named. Between rows of "
      "different sources only the order of the methods compares."};
  if (section.benchmark == "ruler") add_ruler(section, estimates, &chapter);
  if (section.benchmark == "longbench") add_longbench(section, estimates, &chapter);
  return chapter;
}

}  // namespace restkv::report
