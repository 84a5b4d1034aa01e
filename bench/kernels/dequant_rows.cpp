#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/case_weights.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

// Weights come from memory, as once a chunk of a prompt, and go into rows that a cache holds.
constexpr int64_t kBytes = int64_t{96} << 20, kColumns = 4096;
constexpr int64_t kUnitRows = 64, kRefUnits = 8;

struct Data {
  Data(kernels::WeightType type, int n_threads)
      : type(type),
        n_unit(kBytes / kernels::weight_row_bytes(type, kColumns) / kUnitRows),
        out(n_threads, std::vector<uint16_t>(kUnitRows * kColumns)) {}

  void prepare() {
    if (weights.n_row == 0) weights = case_weights(type, n_unit * kUnitRows, kColumns);
  }
  std::vector<float> last_rows() {
    std::vector<float> floats(out[0].size());
    kernels::kDequantRef.bf16_to_floats(out[0].data(), kUnitRows * kColumns, floats.data());
    std::fill(out[0].begin(), out[0].end(), uint16_t{0});
    return floats;
  }

  kernels::WeightType type;
  int64_t n_unit;
  std::vector<std::vector<uint16_t>> out;  // of each thread
  CaseWeights weights{.type = type};
};

KernelCase bf16_case(const NamedType& type, int n_threads) {
  const auto data = std::make_shared<Data>(type.type, n_threads);
  KernelCase one;
  one.kernel = "dequant_rows.to_bf16";
  one.shape = std::string(type.name) + ", rows of 4096, " + std::to_string(kBytes >> 20) + " MiB";
  one.bound = Bound::values;
  one.work = static_cast<double>(data->n_unit * kUnitRows * kColumns);
  one.variant = [](const KernelSet& set) -> const void* { return set.dequant; };
  one.n_unit = data->n_unit;
  one.n_ref_unit = kRefUnits;
  one.ref_work = static_cast<double>(kRefUnits * kUnitRows * kColumns);
  one.prepare = [data](const KernelSet&) { data->prepare(); };
  one.run = [data](const KernelSet& set, int64_t unit, int thread) {
    set.dequant->to_bf16(data->weights.rows(), unit * kUnitRows, kUnitRows,
                         data->out[thread].data());
  };
  one.result = [data] { return data->last_rows(); };
  one.tolerance = 0;
  return one;
}

}  // namespace

std::vector<KernelCase> dequant_rows_cases(int n_threads) {
  std::vector<KernelCase> cases;
  for (const NamedType& type : kCaseTypes)
    cases.push_back(bf16_case(type, n_threads));
  return cases;
}

}  // namespace restkv::bench
