#include <cmath>
#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

constexpr int64_t kWindow = 32, kEntries = 4096;
constexpr int64_t kStride = kernels::round_up(kEntries, kernels::kRowAlign);

// One query head's window over the entries of its KV head, in f16.
struct Data {
  explicit Data(const HeadShape& s)
      : shape(s),
        queries(case_floats(kWindow * s.head_dim, 1)),
        keys(case_halves(kEntries * s.head_dim, 2)),
        values(case_halves(kEntries * s.head_dim, 3)),
        weights(kWindow * kStride),
        output(kWindow * s.head_dim),
        scratch(kernels::scratch_floats(s.head_dim)),
        visible(kWindow) {
    SplitMix64 random(4);
    for (float& weight : weights)
      weight = random.uniform() / kEntries;
    for (int64_t r = 0; r < kWindow; ++r)
      visible[r] = kEntries - kWindow + 1 + r;
  }

  HeadShape shape;
  std::vector<float> queries;
  std::vector<uint16_t> keys, values;
  std::vector<float> weights, output, scratch;
  std::vector<int64_t> visible;
  std::vector<double> sums;
  int64_t position_sum = 0;
};

KernelCase begin(const char* kernel, const std::shared_ptr<Data>& data) {
  KernelCase one;
  one.kernel = std::string("window_attention.") + kernel;
  one.shape = std::string(data->shape.model) + ", d " + std::to_string(data->shape.head_dim) +
              ", 32 x 4096";
  one.variant = [](const KernelSet& set) -> const void* { return set.window_attention; };
  return one;
}

KernelCase rows_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape);
  KernelCase one = begin("attention_rows", data);
  one.work = 2.0 * kWindow * kEntries * static_cast<double>(shape.head_dim);
  one.run = [data](const KernelSet& set, int64_t, int) {
    set.window_attention->attention_rows(
        {.queries = data->queries.data(),
         .n_row = kWindow,
         .visible = data->visible.data(),
         .keys = half_rows(data->keys, data->shape.head_dim),
         .scale = 1.0f / std::sqrt(static_cast<float>(data->shape.head_dim)),
         .weights = data->weights.data(),
         .stride = kStride,
         .scratch = data->scratch.data()});
  };
  one.result = [data] { return data->weights; };
  return one;
}

KernelCase output_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape);
  KernelCase one = begin("attention_output", data);
  one.work = 2.0 * kWindow * kEntries * static_cast<double>(shape.head_dim);
  one.run = [data](const KernelSet& set, int64_t, int) {
    set.window_attention->attention_output({.weights = data->weights.data(),
                                            .stride = kStride,
                                            .n_row = kWindow,
                                            .values = half_rows(data->values, data->shape.head_dim),
                                            .n_entry = kEntries,
                                            .output = data->output.data(),
                                            .scratch = data->scratch.data()});
  };
  one.result = [data] { return data->output; };
  return one;
}

// Rows that many heads leave behind do not stay in a cache: they count by their bytes.
KernelCase columns_case() {
  constexpr int64_t kRows = 4096;  // 64 MiB
  const auto data = std::make_shared<Data>(kHeadShapes[0]);
  data->weights = case_floats(kRows * kStride, 5);
  data->sums.resize(kEntries);
  KernelCase one = begin("add_columns", data);
  one.shape = "4096 x 4096";
  one.bound = Bound::memory;
  one.work = 4.0 * kRows * kEntries;
  one.prepare = [data](const KernelSet&) { data->sums.assign(kEntries, 0.0); };
  one.run = [data](const KernelSet& set, int64_t, int) {
    set.window_attention->add_columns(data->weights.data(), kStride, kRows, kEntries,
                                      data->sums.data());
  };
  one.result = [data] { return std::vector<float>(data->sums.begin(), data->sums.end()); };
  return one;
}

KernelCase top_case() {
  constexpr int64_t kRows = 4096;
  const auto data = std::make_shared<Data>(kHeadShapes[0]);
  data->weights = case_floats(kRows * kStride, 6);
  for (float& weight : data->weights)
    weight = weight < 0 ? -weight : weight;
  KernelCase one = begin("top_position_sum", data);
  one.shape = "best 1024 of 4096, 4096 rows";
  one.bound = Bound::memory;
  one.work = 4.0 * kRows * kEntries;
  one.run = [data](const KernelSet& set, int64_t, int) {
    int64_t total = 0;
    float near = 0.0f;
    for (int64_t r = 0; r < kRows; ++r)
      total += set.window_attention->top_position_sum(data->weights.data() + r * kStride, kEntries,
                                                      1024, &near);
    data->position_sum = total;
  };
  one.result = [data] { return std::vector<float>{static_cast<float>(data->position_sum)}; };
  return one;
}

}  // namespace

std::vector<KernelCase> window_attention_cases(int) {
  std::vector<KernelCase> cases;
  for (const HeadShape& shape : kHeadShapes) {
    cases.push_back(rows_case(shape));
    cases.push_back(output_case(shape));
  }
  cases.push_back(columns_case());
  cases.push_back(top_case());
  return cases;
}

}  // namespace restkv::bench
