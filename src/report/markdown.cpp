#include "report/markdown.h"

#include <string_view>

#include "report/numbers.h"

namespace restkv::report {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += ' ';
      continue;
    }
    if (c == '<') {
      out += "&lt;";
      continue;
    }
    if (std::string_view("\\`*_[]|").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Numbers' brackets and stars mean nothing in Markdown where they stand; words may.
void add_row(const std::vector<std::string>& cells, size_t n_text, std::string* out) {
  *out += '|';
  for (size_t i = 0; i < cells.size(); ++i)
    *out += " " + (i < n_text ? escaped(cells[i]) : cells[i]) + (cells[i].empty() ? "|" : " |");
  *out += '\n';
}

void add_table(const Table& table, std::string* out) {
  *out += "**" + escaped(table.title) + "**\n\n";
  add_row(table.columns, table.columns.size(), out);
  *out += '|';
  for (size_t i = 0; i < table.columns.size(); ++i)
    *out += i < table.n_text ? " --- |" : " ---: |";
  *out += '\n';
  for (const auto& row : table.rows)
    add_row(row, table.n_text, out);
  *out += '\n';
}

Table table_of(const HeatMap& map) {
  Table table{map.title, 1, {"depth, %"}, {}, false};
  table.columns.insert(table.columns.end(), map.lengths.begin(), map.lengths.end());
  for (size_t d = 0; d < map.depths.size(); ++d) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(map.depths[d]);
    for (size_t l = 0; l < map.lengths.size(); ++l) {
      const auto& score = map.scores[d * map.lengths.size() + l];
      row.push_back(score ? fixed(*score, 2) : "");
    }
  }
  return table;
}

void add_list(const std::vector<std::string>& items, std::string* out) {
  for (const std::string& item : items)
    *out += "- " + escaped(item) + "\n";
  if (!items.empty()) *out += '\n';
}

void add_chapter(const Chapter& chapter, std::string* out) {
  *out += "### " + escaped(chapter.title) + "\n\n";
  add_list(chapter.notes, out);
  for (const Table& table : chapter.tables)
    add_table(table, out);
  for (const HeatMap& map : chapter.maps)
    add_table(table_of(map), out);
}

void add_section(const SectionPage& section, std::string* out) {
  *out += "## " + escaped(section.title) + "\n\n";
  std::vector<std::string> facts;
  for (const auto& [name, value] : section.facts)
    facts.push_back(name + ": " + value);
  add_list(facts, out);
  if (!section.left_out.empty()) *out += "What was left out:\n\n";
  add_list(section.left_out, out);
  for (const Chapter& chapter : section.chapters)
    add_chapter(chapter, out);
}

}  // namespace

std::string markdown(const Document& document) {
  std::string out = "# " + escaped(document.title) + "\n\n";
  add_list(document.left_out, &out);
  add_list(document.method, &out);
  for (const SectionPage& section : document.sections)
    add_section(section, &out);
  out.pop_back();  // one newline ends the file
  return out;
}

}  // namespace restkv::report
