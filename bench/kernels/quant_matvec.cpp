#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/case_weights.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

constexpr int64_t kBytes = int64_t{256} << 20;  // of the matrices together: beyond any cache
constexpr int64_t kUnitRows = 64, kRefUnits = 16;

struct Size {
  int64_t n_out, n_in;
};
constexpr Size kSizes[] = {{896, 4864}, {4096, 4096}};

// As many matrices as it takes, one below the other, and a vector that meets all of them.
struct Data {
  Data(kernels::WeightType type, const Size& size)
      : type(type), k(size.n_in), x(case_floats(k, 1)), activations(n_block()) {
    const int64_t matrix = size.n_out * kernels::weight_row_bytes(type, k);
    n_row = (kBytes + matrix - 1) / matrix * size.n_out;
  }

  int64_t n_block() const { return kernels::n_activation_block(k); }
  double bytes(int64_t n) const {
    return static_cast<double>(n * kernels::weight_row_bytes(type, k));
  }

  void prepare(const KernelSet& set) {
    if (weights.n_row == 0) weights = case_weights(type, n_row, k);
    out.assign(n_row, 0.0f);
    set.matvec->quantize(x.data(), k, activations.data());
  }

  kernels::WeightType type;
  int64_t k, n_row = 0;
  CaseWeights weights{.type = type};
  std::vector<float> x, out;
  std::vector<kernels::Activations> activations;
};

KernelCase rows_case(const NamedType& type, const Size& size) {
  const auto data = std::make_shared<Data>(type.type, size);
  KernelCase one;
  one.kernel = "quant_matvec.rows";
  one.shape = std::string(type.name) + ", " + std::to_string(size.n_out) + " x " +
              std::to_string(size.n_in) + ", " + std::to_string(kBytes >> 20) + " MiB";
  one.bound = Bound::memory;
  one.work = data->bytes(data->n_row);
  one.operations = 2.0 * static_cast<double>(data->n_row * data->k);
  one.variant = [](const KernelSet& set) -> const void* { return set.matvec; };
  one.n_unit = data->n_row / kUnitRows;
  one.n_ref_unit = kRefUnits;
  one.ref_work = data->bytes(kRefUnits * kUnitRows);
  one.prepare = [data](const KernelSet& set) { data->prepare(set); };
  one.run = [data](const KernelSet& set, int64_t unit, int) {
    set.matvec->rows({.weights = data->weights.rows(),
                      .activations = data->activations.data(),
                      .out = data->out.data(),
                      .out_stride = data->n_row},
                     unit * kUnitRows, kUnitRows);
  };
  one.result = [data] { return data->out; };
  return one;
}

}  // namespace

std::vector<KernelCase> quant_matvec_cases(int) {
  std::vector<KernelCase> cases;
  for (const NamedType& type : kCaseTypes) {
    for (const Size& size : kSizes)
      cases.push_back(rows_case(type, size));
  }
  return cases;
}

}  // namespace restkv::bench
