#include "eval/merge.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "eval/result_file.h"

namespace restkv {
namespace {

using nlohmann::ordered_json;

// Numbers names in the order in which they come.
class Ranks {
 public:
  size_t of(const std::string& name) {
    return ranks_.try_emplace(name, ranks_.size()).first->second;
  }

 private:
  std::map<std::string, size_t> ranks_;
};

struct Merged {
  std::tuple<size_t, int64_t, std::string, size_t> order;  // cell, number, sample, variant
  std::string text;
  size_t file = 0;
};

class Merger {
 public:
  explicit Merger(std::span<const std::string> paths) : paths_(paths) {}

  Status add(size_t file) {
    const auto take = [&](const StoredLine& line, std::string_view text) {
      return this->take(file, line, text);
    };
    RESTKV_ASSIGN_OR_RETURN(const size_t n_cut, for_each_result_line(paths_[file], take));
    if (n_cut == 0) return {};
    return Status::model(paths_[file] +
                         " ends within a line: its run was killed, the same command goes on");
  }

  Result<MergedResults> result() && {
    if (lines_.empty()) return Status::model(paths_[0] + " and what follows hold no result lines");
    std::ranges::stable_sort(lines_, {}, &Merged::order);
    MergedResults merged{.content = {},
                         .n_line = static_cast<int64_t>(lines_.size()),
                         .n_repeated = n_repeated_,
                         .n_missing = count_missing(),
                         .n_incomplete = count_incomplete()};
    for (const Merged& line : lines_)
      merged.content += line.text + "\n";
    return merged;
  }

 private:
  Status take(size_t file, const StoredLine& line, std::string_view text) {
    const ordered_json& config = line.record["config"];
    if (lines_.empty()) config_ = config;
    const std::string difference = first_difference(config, config_);
    if (!difference.empty())
      return Status::usage("written with another configuration than " + paths_[0] + ": " +
                           difference);
    const std::string key = line.place.key() + line.variant;
    const auto [known, is_new] = index_.try_emplace(key, lines_.size());
    if (!is_new) return compare(lines_[known->second], line, text);
    SamplePlace cell = line.place;
    cell.sample.clear();
    lines_.push_back(
        {{cells_.of(cell.key()), line.place.number, line.place.sample, variants_.of(line.variant)},
         std::string(text),
         file});
    return {};
  }

  Status compare(const Merged& before, const StoredLine& line, std::string_view text) {
    ++n_repeated_;
    if (before.text == text) return {};
    ordered_json now = line.record, then = ordered_json::parse(before.text);
    now.erase("batch");
    then.erase("batch");
    const std::string difference = first_difference(now, then);
    if (difference.empty()) return {};
    return Status::model("contradicts " + paths_[before.file] + " about sample \"" +
                         line.place.sample + "\" under \"" + line.variant + "\": " + difference);
  }

  // Numbers of samples between 0 and a cell's largest that no line has.
  int64_t count_missing() const {
    std::map<size_t, std::set<int64_t>> numbers;  // by cell
    for (const Merged& line : lines_)
      numbers[std::get<0>(line.order)].insert(std::get<1>(line.order));
    int64_t n = 0;
    for (const auto& [cell, there] : numbers)
      n += *there.rbegin() + 1 - std::ssize(there);
    return n;
  }

  // Samples with fewer lines than the fullest one of their cell.
  int64_t count_incomplete() const {
    std::map<size_t, std::map<std::string, int64_t>> n_lines;  // by cell and sample
    for (const Merged& line : lines_)
      ++n_lines[std::get<0>(line.order)][std::get<2>(line.order)];
    int64_t n = 0;
    for (const auto& [cell, samples] : n_lines) {
      int64_t most = 0;
      for (const auto& [sample, n_line] : samples)
        most = std::max(most, n_line);
      for (const auto& [sample, n_line] : samples)
        n += n_line < most;
    }
    return n;
  }

  std::span<const std::string> paths_;
  ordered_json config_;
  std::vector<Merged> lines_;
  std::map<std::string, size_t> index_;
  Ranks cells_, variants_;
  int64_t n_repeated_ = 0;
};

}  // namespace

Result<MergedResults> merge_results(std::span<const std::string> paths) {
  Merger merger(paths);
  for (size_t file = 0; file < paths.size(); ++file)
    RESTKV_RETURN_IF_ERROR(merger.add(file));
  return std::move(merger).result();
}

}  // namespace restkv
