#include "report/section_json.h"

#include "report/memory_table.h"
#include "report/score_tables.h"

namespace restkv::report {
namespace {

using nlohmann::ordered_json;

template <typename T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json low_of(const Estimate& estimate) {
  return estimate.interval ? ordered_json(estimate.interval->low) : ordered_json(nullptr);
}

ordered_json high_of(const Estimate& estimate) {
  return estimate.interval ? ordered_json(estimate.interval->high) : ordered_json(nullptr);
}

ordered_json describe(const Series& series) {
  return {{"name", series.name},
          {"policy", series.policy},
          {"kernel", series.kernel},
          {"layout", series.granularity},
          {"splits", series.layer_budget + " " + series.head_budget}};
}

ordered_json budget_of(const Variant& variant) {
  return variant.budget == 0 ? ordered_json(nullptr) : ordered_json(variant.budget);
}

// Where and of what an estimate is.
ordered_json place_of(const Section& section, const Scope& scope, const Variant& variant) {
  return {{scope.is_average() ? "average" : "task", scope.name},
          {"length", or_null(scope.length)},
          {"variant", section.series[variant.series].name},
          {"budget", budget_of(variant)}};
}

void put_estimate(const Estimate& estimate, ordered_json* entry) {
  (*entry)["value"] = estimate.value;
  (*entry)["low"] = low_of(estimate);
  (*entry)["high"] = high_of(estimate);
  (*entry)["n"] = estimate.n;
}

}  // namespace

ordered_json chart_data(const Section& section, const Estimates& estimates) {
  ordered_json scopes = ordered_json::array(), series = ordered_json::array(),
               points = ordered_json::array();
  for (const Scope& scope : estimates.scopes) {
    scopes.push_back({{"title", scope_title(scope)},
                      {"name", scope.name},
                      {"length", or_null(scope.length)},
                      {"average", scope.is_average()}});
  }
  for (const Series& s : section.series)
    series.push_back(describe(s));
  for (size_t s = 0; s < estimates.scopes.size(); ++s) {
    for (size_t q = 0; q < estimates.quantities.size(); ++q) {
      const Quantity& quantity = estimates.quantities[q];
      const auto& estimate = estimates.at(s, q);
      if (quantity.reference || !estimate) continue;
      const Variant& variant = section.variants[quantity.variant];
      points.push_back({s, variant.series, budget_of(variant),
                        or_null(mean_kv_bytes(section, estimates.scopes[s], quantity.variant)),
                        estimate->value, low_of(*estimate), high_of(*estimate), estimate->n});
    }
  }
  const Measure& measure = *section.measure;
  return {{"measure", std::string(measure.name) + ", " +
                          (measure.is_score() ? "%" : std::string(measure.unit))},
          {"percent", measure.unit == "percent"},
          {"scopes", std::move(scopes)},
          {"series", std::move(series)},
          {"points", std::move(points)}};
}

ordered_json section_document(const Section& section, const std::string& title,
                              const Estimates& estimates,
                              const std::vector<std::string>& left_out) {
  ordered_json scores = ordered_json::array(), differences = ordered_json::array();
  for (size_t s = 0; s < estimates.scopes.size(); ++s) {
    const Scope& scope = estimates.scopes[s];
    for (size_t q = 0; q < estimates.quantities.size(); ++q) {
      const Quantity& quantity = estimates.quantities[q];
      if (!estimates.at(s, q)) continue;
      const Estimate& estimate = *estimates.at(s, q);
      ordered_json entry = place_of(section, scope, section.variants[quantity.variant]);
      if (quantity.reference) {
        const Variant& reference = section.variants[*quantity.reference];
        entry["minus"] = section.series[reference.series].name;
        put_estimate(estimate, &entry);
        entry["excludes_zero"] = estimate.excludes_zero();
        differences.push_back(std::move(entry));
      } else {
        put_estimate(estimate, &entry);
        entry["kv_bytes"] = or_null(mean_kv_bytes(section, scope, quantity.variant));
        scores.push_back(std::move(entry));
      }
    }
  }
  return {{"title", title},
          {"benchmark", section.benchmark},
          {"measure", section.measure->name},
          {"unit", section.measure->unit},
          {"config", section.config},
          {"scores", std::move(scores)},
          {"differences", std::move(differences)},
          {"left_out", left_out}};
}

}  // namespace restkv::report
