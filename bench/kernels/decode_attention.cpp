#include <cmath>
#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

// The entries of all heads that a step reads: more of them than a cache holds.
constexpr int64_t kEntries = 262144, kPartEntries = 8192, kParts = kEntries / kPartEntries;

struct Shape {
  int64_t n_query, head_dim;
};
constexpr Shape kShapes[] = {{3, 64}, {7, 64}, {4, 128}};

struct Data {
  Data(const Shape& s, int n_threads)
      : shape(s),
        queries(case_floats(s.n_query * s.head_dim, 1)),
        sums(kParts * s.n_query * s.head_dim),
        tops(kParts * s.n_query),
        totals(kParts * s.n_query),
        scratch(n_threads,
                std::vector<float>(kernels::decode_scratch_floats(s.n_query, s.head_dim))) {}

  void prepare() {
    if (!keys.empty()) return;
    keys = case_halves(kEntries * shape.head_dim, 2);
    values = case_halves(kEntries * shape.head_dim, 3);
  }

  kernels::DecodePart part(int64_t unit, int thread) {
    const int64_t first = unit * kPartEntries * shape.head_dim;
    kernels::DecodePart part;
    part.keys = reinterpret_cast<const std::byte*>(keys.data() + first);
    part.values = reinterpret_cast<const std::byte*>(values.data() + first);
    part.row_bytes = shape.head_dim * sizeof(uint16_t);
    part.n_entry = kPartEntries;
    part.head_dim = shape.head_dim;
    part.queries = queries.data();
    part.n_query = shape.n_query;
    part.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
    part.sums = sums.data() + unit * shape.n_query * shape.head_dim;
    part.tops = tops.data() + unit * shape.n_query;
    part.totals = totals.data() + unit * shape.n_query;
    part.scratch = scratch[thread].data();
    return part;
  }

  // The attention over the first part alone.
  std::vector<float> output() {
    std::vector<float> output(shape.n_query * shape.head_dim);
    const kernels::DecodePartial first{sums.data(), tops.data(), totals.data()};
    kernels::merge_parts(&first, 1, shape.n_query, shape.head_dim, output.data());
    take(sums);
    return output;
  }

  Shape shape;
  std::vector<uint16_t> keys, values;
  std::vector<float> queries, sums, tops, totals;
  std::vector<std::vector<float>> scratch;  // of each thread
};

KernelCase attend_case(const Shape& s, int n_threads) {
  const auto data = std::make_shared<Data>(s, n_threads);
  KernelCase one;
  one.kernel = "decode_attention.attend";
  one.shape = "f16, g " + std::to_string(s.n_query) + ", d " + std::to_string(s.head_dim) + ", " +
              std::to_string(kEntries) + " entries";
  const auto numbers = 2.0 * static_cast<double>(kEntries * s.head_dim);
  one.bound = Bound::memory;
  one.work = numbers * sizeof(uint16_t);
  one.operations = numbers * 2.0 * static_cast<double>(s.n_query);
  one.variant = [](const KernelSet& set) -> const void* { return set.decode_attention; };
  one.n_unit = kParts;
  one.n_ref_unit = 1;
  one.ref_work = one.work / kParts;
  one.prepare = [data](const KernelSet&) { data->prepare(); };
  one.run = [data](const KernelSet& set, int64_t unit, int thread) {
    set.decode_attention->attend(data->part(unit, thread));
  };
  one.result = [data] { return data->output(); };
  return one;
}

}  // namespace

std::vector<KernelCase> decode_attention_cases(int n_threads) {
  std::vector<KernelCase> cases;
  for (const Shape& shape : kShapes)
    cases.push_back(attend_case(shape, n_threads));
  return cases;
}

}  // namespace restkv::bench
