#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

constexpr CaseMaker kMakers[] = {
    window_attention_cases, reconstruction_cases, prefill_attention_cases, decode_attention_cases,
    quant_matvec_cases,     dequant_rows_cases,   layer_rows_cases,        panel_product_cases,
};

}  // namespace

std::vector<KernelCase> all_cases(int n_threads) {
  std::vector<KernelCase> cases;
  for (const CaseMaker make : kMakers) {
    for (KernelCase& one : make(n_threads))
      cases.push_back(std::move(one));
  }
  return cases;
}

}  // namespace restkv::bench
