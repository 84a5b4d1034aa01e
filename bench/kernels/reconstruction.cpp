#include <algorithm>
#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

constexpr int64_t kWindow = 32, kEntries = 2048;
constexpr int64_t kStride = kernels::round_up(kEntries, kernels::kRowAlign);

// One KV head's group, values in f16.
struct Data {
  explicit Data(const HeadShape& s)
      : shape(s),
        outputs(case_floats(kWindow * s.head_dim, 1)),
        factors(case_floats(s.n_group * s.head_dim * s.head_dim, 2)),
        values(case_halves(kEntries * s.head_dim, 3)),
        divisors(kWindow, 1.0f),
        scores(std::max(kWindow, s.n_group) * kStride),
        scratch(kernels::scratch_floats(s.head_dim)) {
    for (int64_t h = 0; h < s.n_group; ++h) {
      for (int64_t r = 0; r < s.head_dim; ++r) {
        for (int64_t c = 0; c < r; ++c)
          factors[(h * s.head_dim + r) * s.head_dim + c] = 0.0f;
      }
    }
  }

  HeadShape shape;
  std::vector<float> outputs, factors;
  std::vector<uint16_t> values;
  std::vector<float> divisors, scores, scratch;
  std::vector<float> wo;
  std::vector<double> gram, gram_scratch;
};

KernelCase begin(const char* kernel, const std::shared_ptr<Data>& data, const std::string& size) {
  KernelCase one;
  one.kernel = std::string("reconstruction.") + kernel;
  one.shape =
      std::string(data->shape.model) + ", d " + std::to_string(data->shape.head_dim) + ", " + size;
  one.variant = [](const KernelSet& set) -> const void* { return set.reconstruction; };
  return one;
}

KernelCase distance_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape);
  KernelCase one = begin("distance", data, std::to_string(shape.n_group) + " heads x 2048");
  const auto d = static_cast<double>(shape.head_dim);
  one.work = static_cast<double>(kEntries * shape.n_group) * (d * (d + 1) + 3 * d);
  one.run = [data](const KernelSet& set, int64_t, int) {
    set.reconstruction->distance({.projected = data->outputs.data(),
                                  .factors = data->factors.data(),
                                  .n_head = data->shape.n_group,
                                  .values = half_rows(data->values, data->shape.head_dim),
                                  .n_entry = kEntries,
                                  .distances = data->scores.data(),
                                  .stride = kStride,
                                  .scratch = data->scratch.data()});
  };
  one.result = [data] {
    return std::vector<float>(data->scores.begin(),
                              data->scores.begin() + data->shape.n_group * kStride);
  };
  return one;
}

KernelCase rows_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape);
  KernelCase one = begin("score_rows", data, "32 x 2048");
  const auto d = static_cast<double>(shape.head_dim);
  one.work = static_cast<double>(kEntries) * (d * (d + 1) + kWindow * 3 * d);
  one.prepare = [data](const KernelSet&) { data->scores.assign(data->scores.size(), 0.25f); };
  one.run = [data](const KernelSet& set, int64_t, int) {
    set.reconstruction->score_rows({.projected = data->outputs.data(),
                                    .factor = data->factors.data(),
                                    .divisors = data->divisors.data(),
                                    .n_row = kWindow,
                                    .values = half_rows(data->values, data->shape.head_dim),
                                    .n_entry = kEntries,
                                    .weights = data->scores.data(),
                                    .stride = kStride,
                                    .scratch = data->scratch.data()});
  };
  one.result = [data] { return data->scores; };
  return one;
}

KernelCase gram_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape);
  const int64_t d = shape.head_dim, stride = kernels::round_up(d, kernels::kRowAlign);
  data->wo = case_floats(shape.n_embd * d, 4);
  data->gram.resize(d * stride);
  data->gram_scratch.resize(kernels::kRowAlign * stride);
  KernelCase one = begin("gram", data, "n_embd " + std::to_string(shape.n_embd));
  one.bound = Bound::f64;
  one.work = static_cast<double>(shape.n_embd * d * (d + 1));
  one.run = [data, d, stride](const KernelSet& set, int64_t, int) {
    set.reconstruction->gram(data->wo.data(), data->shape.n_embd, d, d, data->gram.data(), stride,
                             data->gram_scratch.data());
  };
  one.result = [data, d, stride] {
    std::vector<float> upper;
    for (int64_t i = 0; i < d; ++i)
      upper.insert(upper.end(), data->gram.begin() + i * stride + i,
                   data->gram.begin() + i * stride + d);
    return upper;
  };
  return one;
}

}  // namespace

std::vector<KernelCase> reconstruction_cases(int) {
  std::vector<KernelCase> cases;
  for (const HeadShape& shape : kHeadShapes) {
    cases.push_back(distance_case(shape));
    cases.push_back(rows_case(shape));
    cases.push_back(gram_case(shape));
  }
  return cases;
}

}  // namespace restkv::bench
