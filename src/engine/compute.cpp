#include "engine/compute.h"

#include <exception>

#include "core/thread_order.h"
#include "ggml-cpu.h"

namespace restkv {
namespace {

char graph_barrier;  // stands for ggml's barriers: between nodes, and around a graph

ggml_status compute_graph(ggml_backend_t backend, ggml_cgraph* graph) {
  before_barrier(&graph_barrier);
  const ggml_status status = ggml_backend_graph_compute(backend, graph);
  barrier_passed(&graph_barrier);
  return status;
}

// One node of one number, all in memory of its own: the arena is laid out for another graph.
class LoneNode {
 public:
  LoneNode(ggml_custom_op_t call, int n_threads, void* data) {
    context_.reset(ggml_init({sizeof(memory_), memory_, /*no_alloc=*/true}));
    ggml_tensor* number = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, 1);
    number->data = &number_;
    graph_ = ggml_new_graph_custom(context_.get(), kSize, false);
    ggml_build_forward_expand(
        graph_, ggml_custom_inplace(context_.get(), number, nullptr, 0, call, n_threads, data));
  }
  ggml_cgraph* graph() { return graph_; }

 private:
  static constexpr size_t kSize = 4;
  alignas(64) std::byte memory_[8192];
  float number_ = 0.0f;
  ggml_context_ptr context_;
  ggml_cgraph* graph_ = nullptr;
};

}  // namespace

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
    barrier_passed(&graph_barrier);
    (*static_cast<const NodeWork*>(work))(dst, thread, n_thread);
    before_barrier(&graph_barrier);
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

struct Compute::Meeting {
  const std::function<void()>& work;
  Crew crew;
  bool led = false;
  std::exception_ptr failure{};

  void lead() {
    led = true;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    crew.dismiss();
  }
};

void Compute::together(const std::function<void()>& work) {
  if (n_threads_ == 1 || crew_ != nullptr) return work();
  Meeting meeting{work, Crew(n_threads_)};
  const auto join = [](ggml_tensor*, int thread, int, void* data) {
    auto& compute = *static_cast<Compute*>(data);
    Meeting& meeting = *compute.meeting_.load();
    if (thread == 0) return meeting.lead();
    meeting.crew.follow(thread);
    ++compute.n_left_;
  };
  crew_ = &meeting.crew;
  meeting_ = &meeting;
  LoneNode node(join, n_threads_, this);
  compute_graph(backend_.get(), node.graph());
  // ggml has waited for all threads; that they have left is said once more where tools see it.
  (void)n_left_.load();
  crew_ = nullptr;
  // A graph that could not begin (no memory) has met nobody.
  if (!meeting.led) return work();
  if (meeting.failure) std::rethrow_exception(meeting.failure);
}

void Compute::GraphThreads::for_each(int64_t n, WorkRef work) {
  if (n <= 1) return Alone().for_each(n, work);
  compute_.together([&] {
    compute_.crew_ != nullptr ? compute_.crew_->for_each(n, work) : Alone().for_each(n, work);
  });
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
  switch (compute_graph(backend_.get(), graph)) {
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
