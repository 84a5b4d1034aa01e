#include "report/estimate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/random.h"
#include "scores/rounding.h"

namespace restkv::report {
namespace {

constexpr size_t kBlock = 64;  // quantities at a time: what bounds the memory for resamples

// One value a sample; NaN where there is none.
std::vector<double> column_of(const Stratum& stratum, const Quantity& quantity) {
  std::vector<double> column = stratum.cells[quantity.variant].scores;
  if (!quantity.reference) return column;
  const std::vector<double>& reference = stratum.cells[*quantity.reference].scores;
  for (size_t i = 0; i < column.size(); ++i)
    column[i] -= reference[i];
  return column;
}

std::vector<size_t> present(const std::vector<double>& column) {
  std::vector<size_t> rows;
  for (size_t i = 0; i < column.size(); ++i) {
    if (!std::isnan(column[i])) rows.push_back(i);
  }
  return rows;
}

double sum_of(const std::vector<double>& column, const std::vector<size_t>& rows) {
  double sum = 0;
  for (const size_t i : rows)
    sum += column[i];
  return sum;
}

// As the published scorers write it: LongBench's multiplies first.
double percent_of(std::string_view benchmark, double sum, size_t n) {
  const auto count = static_cast<double>(n);
  return benchmark == "longbench" ? 100 * sum / count : sum / count * 100;
}

// Resamples of a block of quantities in an average that grows stratum by stratum.
struct Average {
  size_t scope;
  std::vector<double> resamples;       // [n_column][n_resample]
  std::vector<Estimate> estimates;     // [n_column]
  std::vector<size_t> n_part, n_thin;  // [n_column] parts with samples; with one sample
};

class BlockEstimator {
 public:
  BlockEstimator(const Section& section, const Resampling& resampling, size_t first, size_t n,
                 Estimates* out)
      : section_(section), resampling_(resampling), first_(first), n_(n), out_(*out) {
    for (size_t s = 0; s < out_.scopes.size(); ++s) {
      if (!out_.scopes[s].is_average()) continue;
      averages_.push_back({s, std::vector<double>(n_ * resampling_.n_resample, 0.0),
                           std::vector<Estimate>(n_), std::vector<size_t>(n_, 0),
                           std::vector<size_t>(n_, 0)});
    }
  }

  void run() {
    for (size_t s = 0; s < section_.strata.size(); ++s)
      take_stratum(s);
    for (Average& average : averages_)
      finish(&average);
  }

 private:
  using Columns = std::vector<size_t>;  // of the block

  Resampling resampling_of(const Stratum& stratum) const {
    const std::string name =
        section_.benchmark + "/" + stratum.task + "/" + std::to_string(stratum.length.value_or(0));
    return {derive_seed(resampling_.seed, hash_name(name)), resampling_.n_resample};
  }

  // Columns that have the same samples are resampled together.
  void take_stratum(size_t s) {
    std::vector<std::vector<double>> columns;
    std::map<std::vector<size_t>, Columns> groups;
    for (size_t c = 0; c < n_; ++c) {
      columns.push_back(column_of(section_.strata[s], out_.quantities[first_ + c]));
      groups[present(columns.back())].push_back(c);
    }
    for (const auto& [rows, group] : groups) {
      if (!rows.empty()) take_group(s, rows, group, columns);
    }
  }

  void take_group(size_t s, const std::vector<size_t>& rows, const Columns& group,
                  const std::vector<std::vector<double>>& columns) {
    std::vector<double> packed;
    for (const size_t row : rows) {
      for (const size_t c : group)
        packed.push_back(columns[c][row]);
    }
    const size_t n_resample = resampling_.n_resample;
    std::vector<double> means(group.size() * n_resample);
    if (rows.size() > 1)
      resample_means(packed, group.size(), resampling_of(section_.strata[s]), means);
    for (size_t g = 0; g < group.size(); ++g) {
      const bool is_score = !out_.quantities[first_ + group[g]].reference.has_value();
      const double percent =
          percent_of(section_.benchmark, sum_of(columns[group[g]], rows), rows.size());
      const Estimate estimate{is_score ? round2(percent) : percent, {}, rows.size()};
      take_column(s, group[g], estimate, std::span(means).subspan(g * n_resample, n_resample));
    }
  }

  void take_column(size_t s, size_t c, Estimate estimate, std::span<double> means) {
    for (Average& average : averages_) {
      for (const Scope::Part& part : out_.scopes[average.scope].parts) {
        if (part.stratum == s) add(c, part.weight, estimate, means, &average);
      }
    }
    if (estimate.n > 1) estimate.interval = percent_interval(means);
    for (size_t k = 0; k < out_.scopes.size(); ++k) {
      const Scope& scope = out_.scopes[k];
      if (!scope.is_average() && scope.parts.front().stratum == s) slot(k, c) = estimate;
    }
  }

  void add(size_t c, double weight, const Estimate& estimate, std::span<const double> means,
           Average* average) const {
    double* const sums = average->resamples.data() + c * means.size();
    for (size_t r = 0; r < means.size(); ++r)
      sums[r] += weight * means[r];
    average->estimates[c].value += weight * estimate.value;
    average->estimates[c].n += estimate.n;
    ++average->n_part[c];
    average->n_thin[c] += estimate.n == 1;
  }

  void finish(Average* average) {
    for (size_t c = 0; c < n_; ++c) {
      if (average->n_part[c] < out_.scopes[average->scope].parts.size()) continue;
      Estimate estimate = average->estimates[c];
      const size_t n_resample = resampling_.n_resample;
      if (average->n_thin[c] == 0)
        estimate.interval =
            percent_interval(std::span(average->resamples).subspan(c * n_resample, n_resample));
      slot(average->scope, c) = estimate;
    }
  }

  static Interval percent_interval(std::span<double> means) {
    const Interval interval = central_interval(means);
    return {100 * interval.low, 100 * interval.high};
  }

  std::optional<Estimate>& slot(size_t scope, size_t c) {
    return out_.values[scope * out_.quantities.size() + first_ + c];
  }

  const Section& section_;
  const Resampling resampling_;
  const size_t first_, n_;
  Estimates& out_;
  std::vector<Average> averages_;
};

}  // namespace

Estimates estimate(const Section& section, std::vector<Scope> scopes,
                   std::vector<Quantity> quantities, const Resampling& resampling) {
  Estimates out{std::move(scopes), std::move(quantities), {}};
  out.values.resize(out.scopes.size() * out.quantities.size());
  for (size_t first = 0; first < out.quantities.size(); first += kBlock) {
    const size_t n = std::min(kBlock, out.quantities.size() - first);
    BlockEstimator(section, resampling, first, n, &out).run();
  }
  return out;
}

std::vector<Quantity> quantities_of(const Section& section,
                                    const std::vector<Comparison>& comparisons) {
  std::vector<Quantity> quantities;
  for (size_t v = 0; v < section.variants.size(); ++v)
    quantities.push_back({v, {}});
  for (const Comparison& comparison : comparisons)
    quantities.push_back({comparison.variant, comparison.reference});
  return quantities;
}

}  // namespace restkv::report
