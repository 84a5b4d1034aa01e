#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

// Rows that a product has just written: a second-level cache holds them.
constexpr int64_t kRows = 16, kColumns = 4096;

struct Data {
  std::vector<float> x = case_floats(kRows * kColumns, 1), y = case_floats(kRows * kColumns, 2);
  std::vector<float> weight = case_floats(kColumns, 3), sums = x;
  std::vector<uint16_t> rounded = std::vector<uint16_t>(kRows * kColumns);

  std::vector<float> rounded_floats() {
    std::vector<float> floats(rounded.size());
    kernels::kDequantRef.bf16_to_floats(rounded.data(), kRows * kColumns, floats.data());
    std::fill(rounded.begin(), rounded.end(), uint16_t{0});
    return floats;
  }
};

using RowStep = void (*)(const kernels::LayerRowKernels& steps, Data& data, int64_t at);

KernelCase begin(const char* kernel, const std::shared_ptr<Data>& data, RowStep step) {
  KernelCase one;
  one.kernel = std::string("layer_rows.") + kernel;
  one.shape = "rows of 4096";
  one.bound = Bound::values;
  one.work = static_cast<double>(kRows * kColumns);
  one.variant = [](const KernelSet& set) -> const void* { return set.layer_rows; };
  one.run = [data, step](const KernelSet& set, int64_t, int) {
    for (int64_t r = 0; r < kRows; ++r)
      step(*set.layer_rows, *data, r * kColumns);
  };
  one.result = [data] { return data->rounded_floats(); };
  one.tolerance = kBf16Tolerance;
  return one;
}

void norm_row(const kernels::LayerRowKernels& steps, Data& data, int64_t at) {
  steps.rms_norm({.f32 = data.x.data() + at}, data.weight.data(), 1e-5f, kColumns,
                 data.rounded.data() + at);
}

void gate_row(const kernels::LayerRowKernels& steps, Data& data, int64_t at) {
  steps.gate(data.x.data() + at, nullptr, data.y.data() + at, nullptr, kernels::Activation::silu,
             kColumns, data.rounded.data() + at);
}

void add_row(const kernels::LayerRowKernels& steps, Data& data, int64_t at) {
  steps.add(data.x.data() + at, data.weight.data(), {.f32 = data.y.data() + at}, kColumns,
            data.sums.data() + at);
}

}  // namespace

std::vector<KernelCase> layer_rows_cases(int) {
  std::vector<KernelCase> cases;
  cases.push_back(begin("rms_norm", std::make_shared<Data>(), norm_row));
  cases.push_back(begin("gate", std::make_shared<Data>(), gate_row));
  const auto data = std::make_shared<Data>();
  cases.push_back(begin("add", data, add_row));
  cases.back().result = [data] { return take(data->sums); };
  cases.back().tolerance = 1e-6;
  return cases;
}

}  // namespace restkv::bench
