#include "report/memory_table.h"

#include <algorithm>

#include "report/numbers.h"
#include "report/score_tables.h"

namespace restkv::report {
namespace {

std::optional<double> mean_over(const Section& section, const Scope& scope, size_t variant,
                                RunningMean Cell::*mean) {
  double sum = 0;
  for (const Scope::Part& part : scope.parts) {
    const auto value = (section.strata[part.stratum].cells[variant].*mean).value();
    if (!value) return std::nullopt;
    sum += part.weight * *value;
  }
  return sum;
}

const char* layout_of(const Series& series) {
  return series.granularity == "query-head" ? "query heads (the paper's)" : "KV heads";
}

Table memory_of(const Section& section, const Estimates& estimates, size_t scope) {
  Table table{scope_title(estimates.scopes[scope]), 2, {}, {}, false};
  table.columns = {"variant", "cache per", "budget", "KV, KiB", "of full, %", "score"};
  for (size_t q = 0; q < estimates.quantities.size(); ++q) {
    const Quantity& quantity = estimates.quantities[q];
    if (quantity.reference || !estimates.at(scope, q)) continue;
    const Variant& variant = section.variants[quantity.variant];
    const auto bytes = mean_kv_bytes(section, estimates.scopes[scope], quantity.variant);
    const auto full = mean_full_bytes(section, estimates.scopes[scope], quantity.variant);
    if (!bytes) continue;
    const Series& series = section.series[variant.series];
    table.rows.push_back(
        {series.name, layout_of(series), variant.budget == 0 ? "" : std::to_string(variant.budget),
         fixed(*bytes / 1024, 1), full && *full > 0 ? fixed(100 * *bytes / *full, 2) : "",
         score_text(estimates.at(scope, q))});
  }
  return table;
}

}  // namespace

std::optional<double> mean_kv_bytes(const Section& section, const Scope& scope, size_t variant) {
  return mean_over(section, scope, variant, &Cell::kv_bytes);
}

std::optional<double> mean_full_bytes(const Section& section, const Scope& scope, size_t variant) {
  return mean_over(section, scope, variant, &Cell::full_bytes);
}

Chapter memory_chapter(const Section& section, const Estimates& estimates) {
  Chapter chapter{"Score by bytes of KV", {}, {}, {}, "bytes"};
  if (!has_budgets(section) && section.series.size() < 2) return chapter;  // nothing to compare
  chapter.notes = {
      "Mean of what the cache holds after the prompt. With a cache per query head, the published "
      "layout, a budget takes as many times the bytes as a KV head has query heads."};
  const bool averages = std::ranges::any_of(estimates.scopes, &Scope::is_average);
  for (size_t s = 0; s < estimates.scopes.size(); ++s) {
    if (averages && !estimates.scopes[s].is_average()) continue;
    Table table = memory_of(section, estimates, s);
    if (!table.rows.empty()) chapter.tables.push_back(std::move(table));
  }
  return chapter;
}

}  // namespace restkv::report
