#include "engine/panel_products.h"

#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/case_weights.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

constexpr int64_t kCheckedRows = 8;
constexpr size_t kMaxNodes = 512;

// Matrices of SmolLM2-135M and Qwen2.5-0.5B.
struct Size {
  int64_t n_out, n_in;
};
constexpr Size kSizes[] = {{1536, 576}, {4864, 896}, {896, 4864}};

// x [n_row][n_in] times the rows of a Q4_1 matrix, from the packed weights on.
struct Data {
  Data(const Size& s, int64_t n_row) : size(s), n_row(n_row), first_rows(kCheckedRows * s.n_out) {}

  void prepare() {
    if (weights.n_row > 0) return;
    weights = case_weights(kernels::WeightType::q4_1, size.n_out, size.n_in);
    x.resize(pad_panel_rows(n_row) * size.n_in);
    const std::vector<float> floats = case_floats(n_row * size.n_in, 1);
    kernels::kDequantRef.floats_to_bf16(floats.data(), n_row * size.n_in, x.data());
    auto made = Compute::create(1, nullptr);
    if (made.ok()) compute = std::move(*made);
  }

  // The first rows with weights rounded alike.
  void run_plain() {
    const int64_t k = size.n_in;
    std::vector<uint16_t> rounded(k);
    std::vector<float> row(k), rows(kCheckedRows * k);
    kernels::kDequantRef.bf16_to_floats(x.data(), kCheckedRows * k, rows.data());
    for (int64_t j = 0; j < size.n_out; ++j) {
      kernels::kDequantRef.to_bf16(weights.rows(), j, 1, rounded.data());
      kernels::kDequantRef.bf16_to_floats(rounded.data(), k, row.data());
      for (int64_t i = 0; i < kCheckedRows; ++i) {
        float sum = 0.0f;
        for (int64_t c = 0; c < k; ++c)
          sum += rows[i * k + c] * row[c];
        first_rows[i * size.n_out + j] = sum;
      }
    }
  }

  // Without memory for it the rows stay zero, and the case does not count.
  void run_panels() {
    if (!compute) return;
    const Status ran = compute->run(kMaxNodes, [this](const GraphBuild& b) { build(b); });
    if (!ran.ok() || !products.take_status().ok()) take(first_rows);
  }

  void build(const GraphBuild& b) {
    linear.weight.file = b.wrap(GGML_TYPE_Q4_1, weights.bytes.data(), size.n_in, size.n_out);
    ggml_tensor* rows = b.wrap(GGML_TYPE_BF16, x.data(), size.n_in, pad_panel_rows(n_row));
    const Linear* parts[] = {&linear};
    ggml_tensor* inputs[] = {products.add(b, parts, rows, n_row, nullptr)};
    b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, inputs, [this](ggml_tensor* dst, int, int) {
      const auto* y = static_cast<const float*>(dst->src[0]->data);
      std::copy_n(y, first_rows.size(), first_rows.data());
    }));
  }

  Size size;
  int64_t n_row;
  CaseWeights weights{.type = kernels::WeightType::q4_1};
  std::vector<uint16_t> x;
  std::vector<float> first_rows;
  Linear linear;
  Alone alone;
  PanelProducts products{alone};
  std::unique_ptr<Compute> compute;
};

const void* variant_of(const KernelSet& set) {
  static const char kPlain = 0, kPanels = 0;
  if (set.name == "ref") return &kPlain;
  // oneDNN takes the best level there is, once for the whole process.
  const bool best = set.name == kernels::best_kernels().name;
  return best && PanelProducts::available() ? &kPanels : nullptr;
}

KernelCase add_case(const Size& size, int64_t n_row) {
  const auto data = std::make_shared<Data>(size, n_row);
  KernelCase one;
  one.kernel = "panel_products.add";
  one.shape = "q4_1, " + std::to_string(n_row) + " rows, " + std::to_string(size.n_out) + " x " +
              std::to_string(size.n_in);
  const double row_work = 2.0 * static_cast<double>(size.n_out * size.n_in);
  one.work = row_work * static_cast<double>(n_row);
  one.n_ref_unit = 1;
  one.ref_work = row_work * kCheckedRows;
  one.has_bf16 = true;
  one.variant = variant_of;
  one.prepare = [data](const KernelSet&) { data->prepare(); };
  one.run = [data](const KernelSet& set, int64_t, int) {
    set.name == "ref" ? data->run_plain() : data->run_panels();
  };
  one.result = [data] { return take(data->first_rows); };
  return one;
}

}  // namespace

std::vector<KernelCase> panel_product_cases(int) {
  std::vector<KernelCase> cases;
  for (const Size& size : kSizes) {
    for (const int64_t n_row : {512, 2048})
      cases.push_back(add_case(size, n_row));
  }
  return cases;
}

}  // namespace restkv::bench
