#include "report/left_out.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "report/numbers.h"
#include "report/score_tables.h"
#include "scores/longbench.h"

namespace restkv::report {
namespace {

constexpr size_t kNamed = 6;  // so many are named, the rest is counted

std::string variant_name(const Section& section, size_t v) {
  const Variant& variant = section.variants[v];
  const std::string& name = section.series[variant.series].name;
  return variant.budget == 0 ? name : name + " B" + std::to_string(variant.budget);
}

std::string joined(const std::vector<std::string>& names, size_t n_named = kNamed) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), n_named); ++i)
    text.append(i == 0 ? "" : ", ").append(names[i]);
  if (names.size() > n_named)
    text.append(" and ").append(std::to_string(names.size() - n_named)).append(" more");
  return text;
}

size_t total(const Section& section, size_t Cell::*count) {
  size_t n = 0;
  for (const Stratum& stratum : section.strata) {
    for (const Cell& cell : stratum.cells)
      n += cell.*count;
  }
  return n;
}

// The variants for which `count` is not 0 anywhere.
std::vector<std::string> variants_with(const Section& section, size_t Cell::*count) {
  std::vector<std::string> names;
  for (size_t v = 0; v < section.variants.size(); ++v) {
    const bool any = std::ranges::any_of(
        section.strata, [&](const Stratum& stratum) { return stratum.cells[v].*count > 0; });
    if (any) names.push_back(variant_name(section, v));
  }
  return names;
}

std::string unscored(const Section& section) {
  const size_t n = total(section, &Cell::n_without_score);
  if (n == 0) return "";
  return counted(n, "line") + " without a score (the published scorer ends with an error there): " +
         joined(variants_with(section, &Cell::n_without_score)) + ".";
}

size_t n_unpaired(const Section& section, const Quantity& quantity) {
  size_t n = 0;
  for (const Stratum& stratum : section.strata) {
    const std::vector<double>& mine = stratum.cells[quantity.variant].scores;
    const std::vector<double>& other = stratum.cells[*quantity.reference].scores;
    for (size_t i = 0; i < mine.size(); ++i)
      n += std::isnan(mine[i]) != std::isnan(other[i]);
  }
  return n;
}

std::string unpaired(const Section& section, const Estimates& estimates) {
  std::vector<std::string> comparisons;
  size_t n = 0;
  for (const Quantity& quantity : estimates.quantities) {
    if (!quantity.reference) continue;
    const size_t here = n_unpaired(section, quantity);
    if (here == 0) continue;
    n += here;
    comparisons.push_back(variant_name(section, quantity.variant) + " minus " +
                          variant_name(section, *quantity.reference) + " (" + std::to_string(here) +
                          ")");
  }
  if (n == 0) return "";
  return "Samples without a partner, left out of differences: " + joined(comparisons) + ".";
}

// Variants that ran in some tasks of an average but not in all.
std::string incomplete(const Section& section, const Estimates& estimates, size_t scope) {
  if (!estimates.scopes[scope].is_average()) return "";
  std::vector<std::string> names;
  for (size_t q = 0; q < estimates.quantities.size(); ++q) {
    const Quantity& quantity = estimates.quantities[q];
    if (quantity.reference || estimates.at(scope, q)) continue;
    const bool any =
        std::ranges::any_of(estimates.scopes[scope].parts, [&](const Scope::Part& part) {
          return section.strata[part.stratum].cells[quantity.variant].n_line > 0;
        });
    if (any) names.push_back(variant_name(section, quantity.variant));
  }
  if (names.empty()) return "";
  return "No " + scope_title(estimates.scopes[scope]) +
         " of variants that lack scores in one of its tasks: " + joined(names) + ".";
}

std::string missing_sets(const Section& section) {
  if (section.benchmark != "longbench") return "";
  std::vector<std::string> missing;
  for (const LongBenchTask& task : longbench_tasks()) {
    const bool ran = std::ranges::any_of(
        section.strata, [&](const Stratum& stratum) { return stratum.task == task.name; });
    if (!ran) missing.emplace_back(task.name);
  }
  if (missing.empty()) return "";
  return "Data sets that were not run, which count in no average: " +
         joined(missing, missing.size()) + ".";
}

std::string cut_prompts(const Section& section) {
  const size_t n = total(section, &Cell::n_truncated);
  return n == 0 ? "" : counted(n, "line") + " with a prompt that was cut to the model's length.";
}

std::string exceeded(const Section& section) {
  const auto names = variants_with(section, &Cell::n_over_budget);
  if (names.empty()) return "";
  return "More entries than the budget, by the method's own arithmetic (kv.over_budget): " +
         joined(names) + ".";
}

}  // namespace

std::vector<std::string> left_out(const Section& section, const Estimates& estimates) {
  std::vector<std::string> sentences = {unscored(section), unpaired(section, estimates)};
  for (size_t scope = 0; scope < estimates.scopes.size(); ++scope)
    sentences.push_back(incomplete(section, estimates, scope));
  sentences.push_back(missing_sets(section));
  sentences.push_back(cut_prompts(section));
  sentences.push_back(exceeded(section));
  std::erase(sentences, "");
  return sentences;
}

}  // namespace restkv::report
