#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

constexpr CaseMaker kMakers[] = {
    window_attention_cases,
    reconstruction_cases,
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
