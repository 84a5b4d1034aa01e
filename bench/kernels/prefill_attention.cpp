#include <cmath>
#include <map>
#include <memory>

#include "bench/kernels/case_data.h"
#include "bench/kernels/kernel_case.h"

namespace restkv::bench {
namespace {

using kernels::KernelSet;

// A chunk of queries at the end of the keys, causal and dense.
constexpr int64_t kKeys = 4096, kRows = 512;

// What a variant alone can read.
struct Packed {
  std::vector<CacheLine> memory, scratch;
  std::vector<float> lse;
};

// The query heads of one KV head.
struct Data {
  Data(const HeadShape& s, int64_t n_head)
      : shape(s),
        n_head(n_head),
        queries(case_floats(n_head * kRows * s.head_dim, 1)),
        keys(case_halves(kKeys * s.head_dim, 2)),
        values(case_halves(kKeys * s.head_dim, 3)),
        output(n_head * kRows * s.head_dim),
        lse(n_head * kRows),
        sums(n_head * kKeys) {}

  Packed& of(const KernelSet& set) { return variants[set.prefill_attention]; }

  void prepare(const KernelSet& set) {
    const auto& kernels = *set.prefill_attention;
    Packed& own = of(set);
    if (!own.memory.empty()) return;
    own.memory = cache_lines(kernels.packed_bytes(kKeys, shape.head_dim));
    own.scratch = cache_lines(kernels.scratch_bytes(shape.head_dim));
    kernels.pack(pack_args(set), 0, kernels::n_key_blocks(kKeys));
  }

  kernels::PackKeys pack_args(const KernelSet& set) {
    return {half_rows(keys, shape.head_dim), half_rows(values, shape.head_dim), kKeys,
            of(set).memory.data()};
  }

  kernels::PrefillQueries query_view() const {
    return {.data = queries.data(),
            .row_stride = shape.head_dim,
            .head_stride = kRows * shape.head_dim,
            .n_head = n_head,
            .n_row = kRows,
            .head_dim = shape.head_dim,
            .scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim)),
            .n_key = kKeys,
            .first_visible = kKeys - kRows + 1};
  }

  kernels::PrefillAttention args(const KernelSet& set) {
    return {.packed = of(set).memory.data(),
            .queries = query_view(),
            .output = output.data(),
            .output_row_stride = shape.head_dim,
            .output_head_stride = kRows * shape.head_dim,
            .lse = lse.data()};
  }

  void attend(const KernelSet& set, int64_t unit) {
    set.prefill_attention->attend(args(set), unit, of(set).scratch.data());
  }

  HeadShape shape;
  int64_t n_head;
  std::vector<float> queries;
  std::vector<uint16_t> keys, values;
  std::vector<float> output, lse;
  std::vector<double> sums;
  std::map<const void*, Packed> variants;
  const KernelSet* last = nullptr;
};

// What the first n rows of a head see, times the operations of a dot product.
double dot_work(const Data& data, int64_t n) {
  const auto pairs = static_cast<double>(n * (kKeys - kRows) + n * (n + 1) / 2);
  return 2.0 * pairs * static_cast<double>(data.shape.head_dim);
}

KernelCase begin(const char* kernel, const std::shared_ptr<Data>& data) {
  KernelCase one;
  one.kernel = std::string("prefill_attention.") + kernel;
  one.shape = "d " + std::to_string(data->shape.head_dim) + ", " + std::to_string(data->n_head) +
              " x 512 x 4096";
  one.variant = [](const KernelSet& set) -> const void* { return set.prefill_attention; };
  one.has_bf16 = true;
  one.prepare = [data](const KernelSet& set) { data->prepare(set); };
  return one;
}

KernelCase attend_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape, shape.n_group);
  KernelCase one = begin("attend", data);
  one.work = 2 * dot_work(*data, kRows) * static_cast<double>(data->n_head);
  one.n_unit = kernels::n_attend_units(data->query_view());
  one.n_ref_unit = 1;
  one.ref_work = 2 * dot_work(*data, kernels::kQueryBlock);
  one.run = [data](const KernelSet& set, int64_t unit, int) { data->attend(set, unit); };
  one.result = [data] { return take(data->output); };
  return one;
}

KernelCase log_sum_exp_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape, shape.n_group);
  KernelCase one = begin("log_sum_exp", data);
  one.work = dot_work(*data, kRows) * static_cast<double>(data->n_head);
  one.n_unit = kernels::n_attend_units(data->query_view());
  one.n_ref_unit = 1;
  one.ref_work = dot_work(*data, kernels::kQueryBlock);
  one.run = [data](const KernelSet& set, int64_t unit, int) {
    set.prefill_attention->log_sum_exp(data->args(set), unit, data->of(set).scratch.data());
  };
  one.result = [data] { return take(data->lse); };
  return one;
}

void prepare_sums(const KernelSet& set, Data& data) {
  data.prepare(set);
  data.sums.assign(data.sums.size(), 0.0);
  Packed& own = data.of(set);
  if (!own.lse.empty()) return;
  for (int64_t u = 0; u < kernels::n_attend_units(data.query_view()); ++u)
    set.prefill_attention->log_sum_exp(data.args(set), u, own.scratch.data());
  own.lse = data.lse;
}

KernelCase column_sums_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape, 1);
  KernelCase one = begin("column_sums", data);
  one.work = dot_work(*data, kRows);
  one.n_unit = kernels::n_column_units(data->query_view());
  one.prepare = [data](const KernelSet& set) { prepare_sums(set, *data); };
  one.run = [data](const KernelSet& set, int64_t unit, int) {
    Packed& own = data->of(set);
    set.prefill_attention->column_sums({.packed = own.memory.data(),
                                        .queries = data->query_view(),
                                        .lse = own.lse.data(),
                                        .sums = data->sums.data(),
                                        .stride = kKeys},
                                       unit, own.scratch.data());
  };
  one.result = [data] { return std::vector<float>(data->sums.begin(), data->sums.end()); };
  return one;
}

// Layouts differ between variants: compared is what the variant makes of its own.
KernelCase pack_case(const HeadShape& shape) {
  const auto data = std::make_shared<Data>(shape, 1);
  KernelCase one = begin("pack", data);
  one.shape = "f16, d " + std::to_string(shape.head_dim) + ", 4096 keys and values";
  one.bound = Bound::values;
  one.work = 2.0 * static_cast<double>(kKeys * shape.head_dim);
  one.n_unit = kernels::n_key_blocks(kKeys);
  one.prepare = [data](const KernelSet& set) {
    data->prepare(set);
    data->last = &set;
  };
  one.run = [data](const KernelSet& set, int64_t unit, int) {
    set.prefill_attention->pack(data->pack_args(set), unit, 1);
  };
  one.result = [data] {
    data->attend(*data->last, 0);
    return take(data->output);
  };
  return one;
}

}  // namespace

std::vector<KernelCase> prefill_attention_cases(int) {
  std::vector<KernelCase> cases;
  for (const HeadShape& shape : kHeadShapes) {
    if (shape.head_dim > 128) continue;
    cases.push_back(attend_case(shape));
    cases.push_back(pack_case(shape));
    cases.push_back(column_sums_case(shape));
    cases.push_back(log_sum_exp_case(shape));
  }
  return cases;
}

}  // namespace restkv::bench
