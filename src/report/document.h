// A report as its renderers see it: tables, heat maps and the data of charts, section by section.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace restkv::report {

struct Table {
  std::string title;
  size_t n_text = 1;  // columns of words; those behind them hold numbers
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // [n_row][n_column]
  bool is_summary = false;                     // shown at once, where others wait to be opened
};

struct HeatMap {
  std::string title;
  std::vector<std::string> lengths, depths;   // columns and rows
  std::vector<std::optional<double>> scores;  // [n_depth][n_length] 0..1
};

// Tables that belong together, below a heading.
struct Chapter {
  std::string title;
  std::vector<std::string> notes;  // what the tables mean
  std::vector<Table> tables;
  std::vector<HeatMap> maps;
  std::string chart;  // "budget", "bytes": which of the section's charts stands beside; empty: none
};

struct SectionPage {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // the configuration
  std::vector<std::string> left_out;
  std::vector<Chapter> chapters;
  nlohmann::ordered_json chart_data, document;  // for the charts; for --json
};

struct Document {
  std::string title;
  std::vector<std::string> left_out;  // of all files
  std::vector<std::string> method;    // how the numbers were made
  std::vector<SectionPage> sections;
};

}  // namespace restkv::report
