#include "engine/compute.h"

#include "ggml-cpu.h"

namespace restkv {

ggml_tensor* GraphBuild::wrap(ggml_type type, const void* data, int64_t ne0, int64_t ne1,
                              int64_t ne2) const {
  ggml_tensor* tensor = ggml_new_tensor_3d(ctx, type, ne0, ne1, ne2);
  tensor->data = const_cast<void*>(data);
  return tensor;
}

ggml_tensor* GraphBuild::wrap_strided(ggml_type type, const void* data, int64_t ne0, int64_t ne1,
                                      int64_t ne2, size_t nb1, size_t nb2) const {
  ggml_tensor* tensor = wrap(type, data, ne0, ne1, ne2);
  tensor->nb[1] = nb1;
  tensor->nb[2] = nb2;
  tensor->nb[3] = nb2 * ne2;
  return tensor;
}

ggml_tensor* GraphBuild::node(ggml_type type, int64_t ne0, int64_t ne1, int64_t ne2,
                              std::span<ggml_tensor* const> inputs, NodeWork work) const {
  const auto call = [](ggml_tensor* dst, int thread, int n_thread, void* work) {
    (*static_cast<const NodeWork*>(work))(dst, thread, n_thread);
  };
  std::vector<ggml_tensor*> args(inputs.begin(), inputs.end());
  return ggml_custom_4d(ctx, type, ne0, ne1, ne2, 1, args.data(), static_cast<int>(args.size()),
                        call, n_threads, keep(std::move(work)));
}

Result<std::unique_ptr<Compute>> Compute::create(int n_threads, const std::atomic<bool>* cancel,
                                                 Kernels kernels) {
  auto compute = std::make_unique<Compute>();
  compute->n_threads_ = n_threads;
  compute->kernels_ = kernels;
  compute->cancel_ = cancel;
  compute->backend_.reset(ggml_backend_cpu_init());
  if (!compute->backend_) return Status::runtime("ggml has no CPU backend");
  ggml_backend_cpu_set_n_threads(compute->backend_.get(), n_threads);
  compute->watch(cancel);
  compute->arena_.reset(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
  return compute;
}

void Compute::watch(const std::atomic<bool>* cancel) {
  const ggml_abort_callback stops = [](void* flag) {
    return static_cast<const std::atomic<bool>*>(flag)->load();
  };
  ggml_backend_cpu_set_abort_callback(backend_.get(), cancel == nullptr ? nullptr : stops,
                                      const_cast<std::atomic<bool>*>(cancel));
}

Status Compute::run(size_t max_nodes, const std::function<void(const GraphBuild&)>& build) {
  const size_t bytes =
      ggml_tensor_overhead() * max_nodes * 2 + ggml_graph_overhead_custom(max_nodes, false);
  ggml_context_ptr ctx(ggml_init({bytes, nullptr, /*no_alloc=*/true}));
  if (!ctx)
    return Status::capacity("no memory for a graph of " + std::to_string(max_nodes) + " nodes");
  ggml_cgraph* graph = ggml_new_graph_custom(ctx.get(), max_nodes, false);
  NodeData owned;
  build({ctx.get(), graph, &owned, n_threads_});
  if (!ggml_gallocr_alloc_graph(arena_.get(), graph)) {
    return Status::capacity("no memory for the compute arena");
  }
  switch (ggml_backend_graph_compute(backend_.get(), graph)) {
    case GGML_STATUS_SUCCESS:
      return {};
    case GGML_STATUS_ABORTED:
      return Status::runtime("interrupted");
    case GGML_STATUS_ALLOC_FAILED:
      return Status::capacity("no memory for the compute buffers");
    default:
      return Status::runtime("ggml failed to compute the graph");
  }
}

}  // namespace restkv
