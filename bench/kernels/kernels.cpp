#include "bench/kernels/kernels.h"
#include "core/clock.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace restkv::bench {
namespace {

using kernels::KernelSet;

constexpr double kSampleMs = 20;

void run_pass(const KernelCase& one, const KernelSet& set, int64_t n_unit, int n_threads) {
  const auto work = [&](int thread) {
    for (int64_t u = thread; u < n_unit; u += n_threads)
      one.run(set, u, thread);
  };
  std::vector<std::jthread> helpers;
  for (int t = 1; t < n_threads; ++t)
    helpers.emplace_back(work, t);
  work(0);
}

// 10^9 operations or bytes a second.
double sample(const KernelCase& one, const KernelSet& set, int n_threads) {
  const bool part = set.name == "ref" && one.n_ref_unit > 0;
  double total_ms = 0, n_pass = 0;
  while (total_ms < kSampleMs) {
    if (one.prepare) one.prepare(set);
    const double start = now_ms();
    run_pass(one, set, part ? one.n_ref_unit : one.n_unit, n_threads);
    total_ms += now_ms() - start;
    ++n_pass;
  }
  return (part ? one.ref_work : one.work) * n_pass / total_ms * 1e-6;
}

std::vector<float> result_of(const KernelCase& one, const KernelSet& set) {
  if (one.prepare) one.prepare(set);
  run_pass(one, set, one.n_ref_unit > 0 ? one.n_ref_unit : one.n_unit, 1);
  return one.result();
}

double difference(const std::vector<float>& ref, const std::vector<float>& other) {
  if (ref.size() != other.size()) return HUGE_VAL;
  double largest = 0, difference = 0;
  for (size_t i = 0; i < ref.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(ref[i])));
    const double d = std::abs(static_cast<double>(ref[i]) - other[i]);
    difference = d <= HUGE_VAL ? std::max(difference, d) : HUGE_VAL;  // a NaN is no small one
  }
  return largest > 0 ? difference / largest : difference;
}

double peak_of(const MachinePeaks& peaks, Bound bound, int n_threads) {
  switch (bound) {
    case Bound::f32:
      return peaks.f32;
    case Bound::f64:
      return peaks.f64();
    case Bound::bf16:
      return peaks.bf16;
    case Bound::amx:
      return peaks.amx;
    case Bound::int8:
      return peaks.int8;
    case Bound::memory:
      return n_threads == 1 ? peaks.read_1 : peaks.read_n;
    case Bound::values:
      return 0;
  }
  return 0;
}

// The sets that run something else than the one before.
std::vector<const KernelSet*> variants_of(const KernelCase& one) {
  std::vector<const KernelSet*> sets;
  for (const KernelSet& set : kernels::supported_kernels()) {
    if (one.variant(set) == nullptr) continue;
    if (sets.empty() || one.variant(set) != one.variant(*sets.back())) sets.push_back(&set);
  }
  return sets;
}

std::vector<double> scaled(std::vector<double> values, double factor) {
  for (double& value : values)
    value *= factor;
  return values;
}

void measure(const KernelScenario& scenario, const KernelCase& one, const MachinePeaks& peaks,
             int n_threads, std::vector<KernelRow>* rows) {
  const std::vector<const KernelSet*> sets = variants_of(one);
  const std::vector<float> expected = result_of(one, *sets[0]);
  std::vector<KernelRow> found;
  for (const KernelSet* set : sets) {
    KernelRow row{.kernel = one.kernel, .shape = one.shape, .variant = std::string(set->name)};
    row.difference = difference(expected, result_of(one, *set));
    row.counts = row.difference <= (one.in_bf16(*set) ? kBf16Tolerance : one.tolerance);
    found.push_back(std::move(row));
  }
  std::vector<std::vector<double>> rates(sets.size());
  for (int r = 0; r < scenario.n_repeat; ++r) {
    for (size_t i = 0; i < sets.size(); ++i)
      rates[i].push_back(sample(one, *sets[i], n_threads));
  }
  for (size_t i = 0; i < sets.size(); ++i) {
    KernelRow& row = found[i];
    row.n_threads = n_threads;
    row.bound = one.bound_of(*sets[i]);
    const double peak = peak_of(peaks, row.bound, n_threads);
    row.rate = spread_of(rates[i]);
    row.share = peak > 0 ? row.rate.median / peak : 0;
    row.to_ref = ratio_of(rates[i], rates[0]);
    row.operations = spread_of(scaled(rates[i], one.operations / one.work));
    rows->push_back(std::move(row));
  }
}

}  // namespace

std::vector<KernelRow> run_kernels(const KernelScenario& scenario, const MachinePeaks& peaks) {
  std::vector<KernelRow> rows;
  for (KernelCase& made : all_cases(scenario.n_threads)) {
    const KernelCase one = std::move(made);  // its data goes before the next one's is made
    if (one.kernel.find(scenario.filter) == std::string::npos) continue;
    if (scenario.on_step) scenario.on_step(one.kernel + ", " + one.shape);
    measure(scenario, one, peaks, 1, &rows);
    if (one.bound == Bound::memory && one.n_unit > 1 && scenario.n_threads > 1) {
      measure(scenario, one, peaks, scenario.n_threads, &rows);
    }
  }
  return rows;
}

}  // namespace restkv::bench
