#include "engine/panel_products.h"

#include <algorithm>
#include <memory>

#include "core/align.h"
#include "kernels/dispatch.h"

namespace restkv {
namespace {

// Rows of x that are multiplied at once: enough for oneDNN's best, few enough to share out.
constexpr int64_t kRowBlock = 128;

// Rows of weights in a panel: with its columns it stays in a core's second-level cache.
int64_t panel_width(int64_t k) {
  return k <= 1024 ? 256 : 128;
}

size_t tile_bytes(int64_t width) {
  return static_cast<size_t>(kRowBlock * width) * sizeof(float);
}

// n rows of w from `first` on, as bf16 [n][k]. A type that no kernel of ours reads goes through
// ggml and the float row.
void rows_to_bf16(const ggml_tensor* w, int64_t first, int64_t n, float* row, uint16_t* out) {
  const auto& kernels = *kernels::best_kernels().dequant;
  const int64_t k = w->ne[0];
  if (kernels::is_weight_type(w->type)) {
    const auto type = static_cast<kernels::WeightType>(w->type);
    kernels.to_bf16({w->data, type, static_cast<int64_t>(w->nb[1]), k}, first, n, out);
    return;
  }
  const auto to_float = ggml_get_type_traits(w->type)->to_float;
  for (int64_t i = 0; i < n; ++i) {
    to_float(static_cast<const std::byte*>(w->data) + (first + i) * w->nb[1], row, k);
    kernels.floats_to_bf16(row, k, out + i * k);
  }
}

kernels::Row row_of(const ggml_tensor* t, int64_t row, int64_t column) {
  if (t == nullptr) return {};
  const auto* data = static_cast<const std::byte*>(t->data) + row * t->nb[1] + column * t->nb[0];
  if (t->type == GGML_TYPE_F32) return {.f32 = reinterpret_cast<const float*>(data)};
  return {.bf16 = reinterpret_cast<const uint16_t*>(data)};
}

const float* bias_of(const Linear& part, int64_t first) {
  return part.bias == nullptr ? nullptr : static_cast<const float*>(part.bias->data) + first;
}

}  // namespace

// Rows first .. first + n of one matrix, or of gate and of up, one behind the other.
struct PanelProducts::Panel {
  const Linear *part, *second = nullptr;
  int64_t first = 0, n = 0;
  int64_t column = 0;  // of the result
  size_t offset = 0;   // in the panels' memory
  std::shared_ptr<const Bf16Product> whole{}, rest{};

  int64_t width() const { return second == nullptr ? n : 2 * n; }
  int64_t slice_rows() const { return std::min(whole->slice_rows(), width()); }
  int64_t n_slice() const { return (width() + slice_rows() - 1) / slice_rows(); }
};

struct PanelProducts::Product {
  std::vector<const Linear*> parts;
  bool gated = false;
  kernels::Activation activation{};
  ggml_tensor *x = nullptr, *residual = nullptr;
  int64_t n_row = 0;
  std::vector<std::vector<Panel>> groups{};  // of panels that exist at the same time
  size_t panel_bytes = 0, buffer_bytes = 0;

  int64_t k() const { return parts[0]->n_in(); }
  int64_t n_block() const { return (n_row + kRowBlock - 1) / kRowBlock; }
};

PanelProducts::PanelProducts(Workers& workers, size_t group_bytes)
    : workers_(workers), group_bytes_(group_bytes) {}
PanelProducts::~PanelProducts() = default;

void PanelProducts::reserve(const Product& product) {
  panel_bytes_ = std::max(panel_bytes_, align_up(product.panel_bytes));
  buffer_bytes_ = std::max(buffer_bytes_, align_up(product.buffer_bytes));
  const size_t n_thread = workers_.n_threads();
  const size_t bytes = kCacheLine + panel_bytes_ + n_thread * buffer_bytes_;
  void* at = workers_.memory((bytes + n_thread * sizeof(float) - 1) / (n_thread * sizeof(float)));
  memory_ = static_cast<std::byte*>(align_up(at));
}

size_t PanelProducts::workspace_bytes(const HParams& hp, int n_threads) {
  const int64_t widest = std::max<int64_t>({hp.n_embd, hp.n_ff, int64_t{hp.n_head} * hp.head_dim});
  const auto panel = static_cast<size_t>(widest * panel_width(widest)) * sizeof(uint16_t);
  return std::max(kGroupBytes, panel) + n_threads * (panel + tile_bytes(panel_width(1)));
}

size_t PanelProducts::count_nodes(int64_t n_weight) const {
  // Two neighbouring groups hold more than group_bytes_ together, and each makes two nodes. A panel
  // may be padded; the last of every matrix, which may be all padding, is among the 64.
  return 64 +
         16 * static_cast<size_t>(n_weight) * sizeof(uint16_t) / std::max<size_t>(group_bytes_, 1);
}

ggml_tensor* PanelProducts::add(const GraphBuild& b, std::span<const Linear* const> parts,
                                ggml_tensor* x, int64_t n_row, ggml_tensor* residual) {
  int64_t n_column = 0;
  for (const Linear* part : parts)
    n_column += part->n_out();
  Product product{
      .parts = {parts.begin(), parts.end()}, .x = x, .residual = residual, .n_row = n_row};
  return run(b, std::move(product), GGML_TYPE_F32, n_row, n_column);
}

ggml_tensor* PanelProducts::gate(const GraphBuild& b, const Linear& gate, const Linear& up,
                                 ggml_tensor* x, int64_t n_row, kernels::Activation activation) {
  Product product{
      .parts = {&gate, &up}, .gated = true, .activation = activation, .x = x, .n_row = n_row};
  return run(b, std::move(product), GGML_TYPE_BF16, pad_panel_rows(n_row), gate.n_out());
}

Status PanelProducts::take_status() {
  if (failed_.exchange(false)) return Status::capacity("no memory for a product of oneDNN's");
  return std::exchange(status_, {});
}

Status PanelProducts::plan(Product* product) const {
  const int64_t width = panel_width(product->k());
  if (product->gated) {
    for (int64_t first = 0; first < product->parts[0]->n_out(); first += width / 2) {
      const int64_t n = std::min(width / 2, product->parts[0]->n_out() - first);
      RESTKV_RETURN_IF_ERROR(plan_panel(product, {.part = product->parts[0],
                                                  .second = product->parts[1],
                                                  .first = first,
                                                  .n = n,
                                                  .column = first}));
    }
    return {};
  }
  int64_t column = 0;
  for (const Linear* part : product->parts) {
    for (int64_t first = 0; first < part->n_out(); first += width) {
      const int64_t n = std::min(width, part->n_out() - first);
      RESTKV_RETURN_IF_ERROR(
          plan_panel(product, {.part = part, .first = first, .n = n, .column = column + first}));
    }
    column += part->n_out();
  }
  return {};
}

Status PanelProducts::plan_panel(Product* product, Panel panel) const {
  const int64_t k = product->k(), n_left = pad_panel_rows(product->n_row % kRowBlock);
  RESTKV_ASSIGN_OR_RETURN(panel.whole, Bf16Product::get(kRowBlock, panel.width(), k));
  panel.rest = panel.whole;
  if (n_left > 0 && n_left < kRowBlock) {
    RESTKV_ASSIGN_OR_RETURN(panel.rest, Bf16Product::get(n_left, panel.width(), k));
  }
  const size_t bytes = align_up(panel.whole->panel_bytes());
  auto& groups = product->groups;
  if (!groups.empty())
    panel.offset =
        groups.back().back().offset + align_up(groups.back().back().whole->panel_bytes());
  if (groups.empty() || panel.offset + bytes > group_bytes_) {
    groups.emplace_back();
    panel.offset = 0;
  }
  product->panel_bytes = std::max(product->panel_bytes, panel.offset + bytes);
  const size_t rows = static_cast<size_t>(panel.slice_rows() * k) * sizeof(uint16_t);
  const size_t scratch = std::max(panel.whole->scratch_bytes(), panel.rest->scratch_bytes());
  product->buffer_bytes = std::max({product->buffer_bytes, rows + k * sizeof(float),
                                    tile_bytes(panel.width()) + align_up(scratch)});
  groups.back().push_back(std::move(panel));
  return {};
}

// A node that dequantises a group of panels and one that multiplies, group after group. Nodes run
// in the order in which they are expanded here.
ggml_tensor* PanelProducts::run(const GraphBuild& b, Product planned, ggml_type type,
                                int64_t n_row_allocated, int64_t n_column) {
  const Status status = plan(&planned);
  if (!status.ok()) {
    status_ = status;
    planned.groups = {{}};  // a result to go on with; nobody looks at it
  }
  reserve(planned);
  struct Counter {
    std::atomic<int64_t> next{0};
  };
  const Product& product = *b.keep(std::move(planned));
  // Every element of a residual is read once, just before the result's is written.
  ggml_tensor* y = product.residual != nullptr && product.residual->type == GGML_TYPE_F32
                       ? product.residual
                       : nullptr;
  for (const std::vector<Panel>& group : product.groups) {
    const auto n_panel = static_cast<int64_t>(group.size());
    const auto dequantized = std::make_shared<Counter>(), multiplied = std::make_shared<Counter>();
    // The last panel of a product may have fewer slices than the others.
    const int64_t n_slice = group.empty() ? 1 : group[0].n_slice();
    b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, {},
                    [=, this, &product, &group](ggml_tensor*, int thread, int) {
                      for (int64_t u; (u = dequantized->next++) < n_panel * n_slice;)
                        dequantize(product, group[u / n_slice], u % n_slice, thread);
                    }));
    std::vector<ggml_tensor*> inputs{product.x};
    if (product.residual != nullptr) inputs.push_back(product.residual);
    if (y != nullptr && y != product.residual) inputs.push_back(y);
    ggml_tensor* all = y;
    ggml_tensor* node =
        b.node(y == nullptr ? type : GGML_TYPE_I8, y == nullptr ? n_column : 1,
               y == nullptr ? n_row_allocated : 1, 1, inputs,
               [=, this, &product, &group](ggml_tensor* dst, int thread, int) {
                 for (int64_t u; (u = multiplied->next++) < n_panel * product.n_block();)
                   multiply(product, group[u / product.n_block()], u % product.n_block(), thread,
                            all == nullptr ? dst : all);
               });
    b.expand(node);
    if (y == nullptr) y = node;
  }
  return y;
}

void PanelProducts::dequantize(const Product& product, const Panel& panel, int64_t slice,
                               int thread) {
  const int64_t k = product.k(), first = slice * panel.slice_rows();
  const int64_t n = std::min(panel.slice_rows(), panel.width() - first);
  if (n <= 0) return;
  auto* rows = reinterpret_cast<uint16_t*>(buffer(thread));
  auto* row = reinterpret_cast<float*>(rows + panel.slice_rows() * k);
  const int64_t n_part = std::clamp<int64_t>(panel.n - first, 0, n);
  if (n_part > 0) rows_to_bf16(panel.part->weight.file, panel.first + first, n_part, row, rows);
  if (n_part < n) {
    rows_to_bf16(panel.second->weight.file, panel.first + first + n_part - panel.n, n - n_part, row,
                 rows + n_part * k);
  }
  if (!panel.whole->pack(rows, first, n, memory_ + panel.offset)) failed_ = true;
}

void PanelProducts::multiply(const Product& product, const Panel& panel, int64_t row_block,
                             int thread, ggml_tensor* y) {
  const auto& steps = *kernels::best_kernels().layer_rows;
  const int64_t first = row_block * kRowBlock, n = std::min(kRowBlock, product.n_row - first);
  const Bf16Product& part = n == kRowBlock ? *panel.whole : *panel.rest;
  std::byte* scratch = buffer(thread);
  auto* sums = reinterpret_cast<float*>(scratch + align_up(part.scratch_bytes()));
  const auto* x = static_cast<const uint16_t*>(product.x->data) + first * product.k();
  if (!part.multiply(x, memory_ + panel.offset, sums, scratch)) failed_ = true;
  for (int64_t i = 0; i < n; ++i, sums += panel.width()) {
    auto* out = static_cast<std::byte*>(y->data) + (first + i) * y->nb[1] + panel.column * y->nb[0];
    const float* bias = bias_of(*panel.part, panel.first);
    if (product.gated) {
      steps.gate(sums, bias, sums + panel.n, bias_of(*panel.second, panel.first),
                 product.activation, panel.n, reinterpret_cast<uint16_t*>(out));
    } else {
      steps.add(sums, bias, row_of(product.residual, first + i, panel.column), panel.n,
                reinterpret_cast<float*>(out));
    }
  }
}

}  // namespace restkv
