#include "report/heat_maps.h"

#include <cmath>
#include <map>
#include <set>

#include "report/numbers.h"

namespace restkv::report {
namespace {

// depth, length -> mean score
using Grid = std::map<std::pair<double, int64_t>, RunningMean>;

std::string name_of(const Section& section, const Variant& variant) {
  const std::string& series = section.series[variant.series].name;
  return variant.budget == 0 ? series : series + " B" + std::to_string(variant.budget);
}

std::set<std::string> tasks_of(const Section& section) {
  std::set<std::string> tasks;
  for (const Stratum& stratum : section.strata)
    tasks.insert(stratum.task);
  return tasks;
}

Grid grid_of(const Section& section, const std::string& task, size_t variant) {
  Grid grid;
  for (const Stratum& stratum : section.strata) {
    if (stratum.task != task || !stratum.length) continue;
    const std::vector<double>& scores = stratum.cells[variant].scores;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (stratum.depths[i] && !std::isnan(scores[i]))
        grid[{*stratum.depths[i], *stratum.length}].add(scores[i]);
    }
  }
  return grid;
}

std::string depth_text(double depth) {
  return fixed(depth, depth == std::floor(depth) ? 0 : 1);
}

HeatMap map_of(const std::string& title, const Grid& grid) {
  HeatMap map{title, {}, {}, {}};
  std::set<double> depths;
  std::set<int64_t> lengths;
  for (const auto& [place, mean] : grid) {
    depths.insert(place.first);
    lengths.insert(place.second);
  }
  for (const int64_t length : lengths)
    map.lengths.push_back(grouped(length));
  for (const double depth : depths) {
    map.depths.push_back(depth_text(depth));
    for (const int64_t length : lengths) {
      const auto found = grid.find({depth, length});
      map.scores.push_back(found == grid.end() ? std::nullopt : found->second.value());
    }
  }
  return map;
}

}  // namespace

Chapter heat_map_chapter(const Section& section, size_t n_map) {
  Chapter chapter{"Needle: length by depth", {}, {}, {}, ""};
  chapter.notes = {
      "Mean score, 0 to 1, by prompt length in tokens (columns) and the needle's depth in percent "
      "(rows)."};
  size_t n_left_out = 0;
  const std::set<std::string> tasks = tasks_of(section);
  for (const std::string& task : tasks) {
    for (size_t v = 0; v < section.variants.size(); ++v) {
      const Grid grid = grid_of(section, task, v);
      if (grid.empty()) continue;
      if (chapter.maps.size() >= n_map) {
        ++n_left_out;
        continue;
      }
      const std::string name = name_of(section, section.variants[v]);
      chapter.maps.push_back(map_of(tasks.size() == 1 ? name : task + ", " + name, grid));
    }
  }
  if (n_left_out > 0) {
    chapter.notes.push_back(counted(n_left_out, "more map") + " left out: --maps allows " +
                            std::to_string(n_map) + ".");
  }
  return chapter;
}

}  // namespace restkv::report
