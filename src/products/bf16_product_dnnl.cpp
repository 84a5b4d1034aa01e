#include <omp.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <tuple>

#include "core/cpu.h"
#include "kernels/dispatch.h"
#include "products/bf16_product.h"

namespace restkv {
namespace {

using Tag = dnnl::memory::format_tag;
constexpr auto kBf16 = dnnl::memory::data_type::bf16;

// oneDNN asks OpenMP how many threads it may use, when code is generated and when it runs.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// RESTKV_CPU hides AMX from oneDNN, too. It decides when it is first asked for anything.
dnnl::engine make_engine() {
  if (!cpu_has_amx_bf16()) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16);
  return dnnl::engine(dnnl::engine::kind::cpu, 0);
}

const dnnl::engine& cpu_engine() {
  static const dnnl::engine kEngine = make_engine();
  return kEngine;
}

dnnl::memory wrap(const dnnl::memory::desc& shape, const void* data) {
  return dnnl::memory(shape, cpu_engine(), const_cast<void*>(data));
}

dnnl::matmul::primitive_desc describe(int64_t m, int64_t n, int64_t k,
                                      const dnnl::memory::desc& weights) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return {{dnnl::memory::desc({m, k}, kBf16, Tag::ab), weights,
           dnnl::memory::desc({m, n}, dnnl::memory::data_type::f32, Tag::ab)},
          attributes,
          cpu_engine()};
}

}  // namespace

struct Bf16Product::Parts {
  int64_t m, n, k;
  dnnl::matmul::primitive_desc shape;
  dnnl::matmul multiply;
  dnnl::memory::desc plain;  // the panel's rows as they come
  dnnl::reorder pack;
  bool in_pairs;  // panels are what a kernel of ours packs, faster than oneDNN
  // Multiplies such panels where it is faster, for this shape; nullptr: oneDNN does.
  const kernels::PanelProductKernels* own;
};

namespace {

// Whether a packed layout is that of kernels/pair_panel.h.
bool is_in_pairs(const dnnl::memory::desc& packed, int64_t n, int64_t k) {
  const auto& blocking = packed.data.format_desc.blocking;
  const auto is = [](const dnnl_dim_t(&values)[DNNL_MAX_NDIMS], std::array<int64_t, 3> expected) {
    return std::equal(expected.begin(), expected.end(), values);
  };
  return packed.data.format_kind == dnnl_blocked && blocking.inner_nblks == 3 &&
         is(blocking.inner_blks, {16, kernels::kPairRows, 2}) &&
         is(blocking.inner_idxs, {0, 1, 0}) &&
         blocking.strides[0] == kernels::kPairRows * kernels::kPairColumns &&
         packed.get_size() == kernels::pair_panel_size(n, k) * sizeof(uint16_t);
}

std::unique_ptr<const Bf16Product::Parts> make_parts(int64_t m, int64_t n, int64_t k) {
  // A layout that suits this many rows is taken for all, so that a panel serves a last few rows
  // as well.
  constexpr int64_t kUsualRows = 128;
  const OneThread alone;
  const dnnl::memory::desc any({k, n}, kBf16, Tag::any), plain({k, n}, kBf16, Tag::ba);
  const dnnl::memory::desc packed = describe(kUsualRows, n, k, any).weights_desc();
  const dnnl::matmul::primitive_desc shape = describe(m, n, k, packed);
  const dnnl::reorder::primitive_desc pack(cpu_engine(), plain, cpu_engine(), packed);
  const bool in_pairs = is_in_pairs(packed, n, k);
  const kernels::PanelProductKernels* own = kernels::best_kernels().panel_product;
  if (!in_pairs || own == &kernels::kPanelProductRef || m % 16 != 0 || n % 16 != 0 || k % 32 != 0)
    own = nullptr;
  return std::make_unique<const Bf16Product::Parts>(Bf16Product::Parts{
      m, n, k, shape, dnnl::matmul(shape), plain, dnnl::reorder(pack), in_pairs, own});
}

template <typename Run>
bool succeeds(const Run& run) noexcept {
  try {
    const OneThread alone;
    dnnl::stream stream(cpu_engine());
    run(stream);
    stream.wait();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

bool has_bf16_product() {
  return cpu_has_avx512_bf16();
}

Bf16Product::Bf16Product(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Bf16Product::~Bf16Product() = default;

Result<std::shared_ptr<const Bf16Product>> Bf16Product::get(int64_t m, int64_t n, int64_t k) {
  static std::mutex mutex;
  static std::map<std::tuple<int64_t, int64_t, int64_t>, std::shared_ptr<const Bf16Product>> made;
  try {
    const std::lock_guard lock(mutex);
    auto& product = made[{m, n, k}];
    if (!product) product = std::make_shared<const Bf16Product>(make_parts(m, n, k));
    return product;
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) return Status::capacity("no memory for oneDNN's code");
    return Status::runtime(std::string("oneDNN has no bf16 product: ") + error.what());
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for oneDNN's code");
  }
}

size_t Bf16Product::panel_bytes() const {
  return parts_->shape.weights_desc().get_size();
}

size_t Bf16Product::scratch_bytes() const {
  return parts_->shape.scratchpad_desc().get_size();
}

int64_t Bf16Product::slice_rows() const {
  return parts_->in_pairs ? kernels::kPairRows : parts_->n;
}

bool Bf16Product::pack(const uint16_t* rows, int64_t first, int64_t n_row,
                       std::byte* panel) const noexcept {
  const int64_t k = parts_->k;
  if (parts_->in_pairs) {
    auto* out = reinterpret_cast<uint16_t*>(panel) + kernels::pair_panel_size(first, k);
    kernels::best_kernels().pair_panel->pack(rows, n_row, k, out);
    return true;
  }
  return succeeds([&](dnnl::stream& stream) {
    dnnl::memory from = wrap(parts_->plain, rows), to = wrap(parts_->shape.weights_desc(), panel);
    parts_->pack.execute(stream, from, to);
  });
}

bool Bf16Product::multiply(const uint16_t* a, const std::byte* panel, float* c,
                           std::byte* scratch) const noexcept {
  if (parts_->own != nullptr) {
    const auto* weights = reinterpret_cast<const uint16_t*>(panel);
    parts_->own->multiply(a, parts_->m, weights, parts_->n, parts_->k, c);
    return true;
  }
  return succeeds([&](dnnl::stream& stream) {
    const auto& shape = parts_->shape;
    parts_->multiply.execute(stream,
                             {{DNNL_ARG_SRC, wrap(shape.src_desc(), a)},
                              {DNNL_ARG_WEIGHTS, wrap(shape.weights_desc(), panel)},
                              {DNNL_ARG_DST, wrap(shape.dst_desc(), c)},
                              {DNNL_ARG_SCRATCHPAD, wrap(shape.scratchpad_desc(), scratch)}});
  });
}

}  // namespace restkv
