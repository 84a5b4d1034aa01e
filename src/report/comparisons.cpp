#include "report/comparisons.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace restkv::report {
namespace {

class Finder {
 public:
  explicit Finder(const Section& section) : section_(section) {}

  std::optional<size_t> full_for(size_t variant) const {
    std::vector<size_t> candidates;
    for (size_t v = 0; v < section_.variants.size(); ++v) {
      if (series(v).policy == "full") candidates.push_back(v);
    }
    // Storage types and layouts of the full cache are variants, too.
    for (const bool alike : {true, false}) {
      for (const size_t v : candidates) {
        const bool fits = series(v).type == series(variant).type &&
                          series(v).granularity == series(variant).granularity;
        if (fits || !alike) return v;
      }
    }
    return std::nullopt;
  }

  std::vector<size_t> references(size_t variant, const std::string& policy) const {
    std::vector<size_t> found;
    for (const auto& [kernel, candidates] : by_kernel(variant, policy)) {
      const auto reference = choose(variant, candidates);
      if (reference) found.push_back(*reference);
    }
    return found;
  }

 private:
  const Series& series(size_t v) const { return section_.series[section_.variants[v].series]; }

  std::map<int64_t, std::vector<size_t>> by_kernel(size_t variant,
                                                   const std::string& policy) const {
    std::map<int64_t, std::vector<size_t>> found;
    const Series& mine = series(variant);
    for (size_t v = 0; v < section_.variants.size(); ++v) {
      const Series& other = series(v);
      const bool fits = other.policy == policy &&
                        section_.variants[v].budget == section_.variants[variant].budget &&
                        other.granularity == mine.granularity && other.type == mine.type &&
                        (other.kernel == mine.kernel || other.kernel == 0 || mine.kernel == 0);
      if (fits) found[other.kernel].push_back(v);
    }
    return found;
  }

  std::optional<size_t> plainest(const std::vector<size_t>& candidates,
                                 const std::string& layer_budget,
                                 const std::string& head_budget) const {
    std::optional<size_t> best;
    for (const size_t v : candidates) {
      const Series& s = series(v);
      if (s.layer_budget != layer_budget || s.head_budget != head_budget) continue;
      if (!best || s.name.size() < series(*best).name.size()) best = v;
    }
    return best;
  }

  std::optional<size_t> choose(size_t variant, const std::vector<size_t>& candidates) const {
    const Series& mine = series(variant);
    auto best = plainest(candidates, mine.layer_budget, mine.head_budget);
    if (!best || (best == variant && mine.has_splits()))
      best = plainest(candidates, "uniform", "uniform");
    return best == variant ? std::nullopt : best;
  }

  const Section& section_;
};

}  // namespace

std::vector<Comparison> comparisons_of(const Section& section,
                                       const std::vector<std::string>& against) {
  const Finder finder(section);
  std::vector<Comparison> comparisons;
  for (size_t v = 0; v < section.variants.size(); ++v) {
    if (section.series[section.variants[v].series].policy == "full") continue;
    std::set<size_t> references;
    for (const std::string& policy : against) {
      for (const size_t reference : finder.references(v, policy))
        references.insert(reference);
    }
    if (const auto full = finder.full_for(v)) references.insert(*full);
    for (const size_t reference : references)
      comparisons.push_back({v, reference});
  }
  return comparisons;
}

}  // namespace restkv::report
