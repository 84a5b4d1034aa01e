#include "report/score_tables.h"

#include <algorithm>
#include <map>
#include <set>

#include "report/numbers.h"

namespace restkv::report {
namespace {

constexpr int64_t kNoLength = -1;
constexpr size_t kFew = 3;  // so many tables are all shown at once

// A row that fills while quantities pass by. A column is a budget (0: none), or a length
// (kNoLength: none).
struct Row {
  std::vector<std::string> words;
  std::map<int64_t, std::string> by_column;
  size_t n_least = 0, n_most = 0;

  void add(int64_t column, const std::string& text, size_t n) {
    n_least = by_column.empty() ? n : std::min(n_least, n);
    n_most = std::max(n_most, n);
    by_column[column] = text;
  }
};

std::string budget_title(int64_t budget) {
  return budget == 0 ? "no budget" : std::string("B ").append(std::to_string(budget));
}

std::string length_title(int64_t length) {
  return length == kNoLength ? "score" : grouped(length) + " tokens";
}

Table table_of(const std::string& title, std::vector<std::string> word_columns,
               std::string (*column_title)(int64_t), const char* n_title,
               const std::vector<Row>& rows) {
  Table table{title, word_columns.size(), std::move(word_columns), {}, false};
  std::set<int64_t> columns;
  for (const Row& row : rows) {
    for (const auto& [column, text] : row.by_column)
      columns.insert(column);
  }
  for (const int64_t column : columns)
    table.columns.push_back(column_title(column));
  table.columns.emplace_back(n_title);
  for (const Row& row : rows) {
    std::vector<std::string>& cells = table.rows.emplace_back(row.words);
    for (const int64_t column : columns) {
      const auto found = row.by_column.find(column);
      cells.push_back(found == row.by_column.end() ? "" : found->second);
    }
    const std::string most = std::to_string(row.n_most);
    cells.push_back(row.n_least == row.n_most ? most : std::to_string(row.n_least) + " to " + most);
  }
  return table;
}

Table scores_of(const Section& section, const Estimates& estimates, size_t scope) {
  std::map<size_t, Row> rows;  // by series
  for (size_t q = 0; q < estimates.quantities.size(); ++q) {
    const Quantity& quantity = estimates.quantities[q];
    const auto& estimate = estimates.at(scope, q);
    if (quantity.reference || !estimate) continue;
    const Variant& variant = section.variants[quantity.variant];
    Row& row = rows[variant.series];
    row.words = {section.series[variant.series].name};
    row.add(variant.budget, score_text(estimate), estimate->n);
  }
  std::string title = scope_title(estimates.scopes[scope]);
  std::vector<Row> with_budget, without;
  for (auto& [series, row] : rows)
    (row.by_column.contains(0) ? without : with_budget).push_back(std::move(row));
  if (with_budget.empty()) return table_of(title, {"variant"}, budget_title, "n", without);
  for (const Row& row : without) {  // a column of their own would hold nothing else
    title.append("; ").append(row.words.front()).append(": ").append(row.by_column.at(0));
    title.append(", n ").append(std::to_string(row.n_most));
  }
  return table_of(title, {"variant"}, budget_title, "n", with_budget);
}

// Where nothing was evicted there is one score a scope: all of them in one table, a row a task and
// series, a column a length.
Table uncut_scores_of(const Section& section, const Estimates& estimates) {
  std::vector<Row> rows;
  std::map<std::pair<std::string, size_t>, size_t> places;  // of scope and series, in `rows`
  for (size_t s = 0; s < estimates.scopes.size(); ++s) {
    const Scope& scope = estimates.scopes[s];
    for (size_t q = 0; q < estimates.quantities.size(); ++q) {
      const Quantity& quantity = estimates.quantities[q];
      const auto& estimate = estimates.at(s, q);
      if (quantity.reference || !estimate) continue;
      const size_t series = section.variants[quantity.variant].series;
      const auto [place, is_new] = places.try_emplace({scope.name, series}, rows.size());
      if (is_new) rows.push_back({{scope.name, section.series[series].name}, {}, 0, 0});
      rows[place->second].add(scope.length.value_or(kNoLength), score_text(estimate), estimate->n);
    }
  }
  Table table = table_of("without eviction", {"task", "variant"}, length_title, "n", rows);
  table.is_summary = true;
  return table;
}

Table differences_of(const Section& section, const Estimates& estimates, size_t scope) {
  std::map<std::pair<size_t, size_t>, Row> rows;  // by the reference's series, then the variant's
  for (size_t q = 0; q < estimates.quantities.size(); ++q) {
    const Quantity& quantity = estimates.quantities[q];
    const auto& estimate = estimates.at(scope, q);
    if (!quantity.reference || !estimate) continue;
    const Variant& variant = section.variants[quantity.variant];
    const size_t reference = section.variants[*quantity.reference].series;
    Row& row = rows[{reference, variant.series}];
    row.words = {section.series[variant.series].name, section.series[reference].name};
    row.add(variant.budget, difference_text(estimate), estimate->n);
  }
  std::vector<Row> list;
  for (auto& [key, row] : rows)
    list.push_back(std::move(row));
  return table_of(scope_title(estimates.scopes[scope]), {"variant", "minus"}, budget_title, "pairs",
                  list);
}

template <typename MakeTable>
void add_tables(const Estimates& estimates, MakeTable make, Chapter* chapter) {
  for (size_t s = 0; s < estimates.scopes.size(); ++s) {
    Table table = make(s);
    if (table.rows.empty()) continue;
    table.is_summary = estimates.scopes[s].is_average() || estimates.scopes.size() <= kFew;
    chapter->tables.push_back(std::move(table));
  }
}

}  // namespace

std::string scope_title(const Scope& scope) {
  return scope.name + (scope.length ? ", " + grouped(*scope.length) + " tokens" : "");
}

bool has_budgets(const Section& section) {
  return std::ranges::any_of(section.variants, [](const Variant& v) { return v.budget != 0; });
}

Chapter score_chapter(const Section& section, const Estimates& estimates) {
  Chapter chapter{"Scores", {}, {}, {}, "budget"};
  const Measure& measure = *section.measure;
  chapter.notes = {(measure.is_score() ? "Score" : "The " + std::string(measure.name)) + " in " +
                   std::string(measure.unit) +
                   " [95 % interval], n samples. B: budget in entries."};
  if (!has_budgets(section)) {
    Table table = uncut_scores_of(section, estimates);
    if (!table.rows.empty()) chapter.tables.push_back(std::move(table));
    return chapter;
  }
  const auto make = [&](size_t scope) { return scores_of(section, estimates, scope); };
  add_tables(estimates, make, &chapter);
  return chapter;
}

Chapter difference_chapter(const Section& section, const Estimates& estimates) {
  Chapter chapter{"Paired differences", {}, {}, {}, ""};
  chapter.notes = {
      "What the variant has minus what the reference has, in " +
          std::string(section.measure->step) +
          " [95 % interval], over the samples that both have, at the same budget; the full cache "
          "has none.",
      "A star marks an interval that excludes 0. No correction is made for the number of "
      "comparisons: where nothing differs, about 5 in 100 would be marked."};
  const auto make = [&](size_t scope) { return differences_of(section, estimates, scope); };
  add_tables(estimates, make, &chapter);
  return chapter;
}

}  // namespace restkv::report
