// Runs ggml graphs on the CPU backend. Inputs and outputs are the caller's memory, wrapped as
// tensors; everything in between lives in one arena that is sized by the largest graph so far.
//
// Thread safety: one graph at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml.h"
#include "restkv/status.h"

namespace restkv {

// A graph under construction.
struct GraphBuild {
  ggml_context* ctx;
  ggml_cgraph* graph;

  void expand(ggml_tensor* node) const { ggml_build_forward_expand(graph, node); }

  // The caller's memory as a contiguous tensor; ne as in ggml, innermost first.
  ggml_tensor* wrap(ggml_type type, const void* data, int64_t ne0, int64_t ne1 = 1,
                    int64_t ne2 = 1) const;
  // The same with strides in bytes between rows and planes.
  ggml_tensor* wrap_strided(ggml_type type, const void* data, int64_t ne0, int64_t ne1, int64_t ne2,
                            size_t nb1, size_t nb2) const;
};

class Compute {
 public:
  // n_threads >= 1. Set *cancel to stop a running graph; it may be null.
  static Result<std::unique_ptr<Compute>> create(int n_threads, const std::atomic<bool>* cancel);

  // Builds and runs one graph of at most max_nodes nodes and leaves. Errors: capacity (no memory
  // for the arena), runtime (cancelled: cancelled() is true then).
  Status run(size_t max_nodes, const std::function<void(const GraphBuild&)>& build);

  // While this lives a running graph is not stopped.
  class Uninterrupted {
   public:
    explicit Uninterrupted(Compute& compute) : compute_(compute) { compute_.watch(nullptr); }
    ~Uninterrupted() { compute_.watch(compute_.cancel_); }
    Uninterrupted(const Uninterrupted&) = delete;
    Uninterrupted& operator=(const Uninterrupted&) = delete;

   private:
    Compute& compute_;
  };

  int n_threads() const { return n_threads_; }
  bool cancelled() const { return cancel_ != nullptr && cancel_->load(); }

 private:
  void watch(const std::atomic<bool>* cancel);

  int n_threads_ = 1;
  const std::atomic<bool>* cancel_ = nullptr;
  ggml_backend_ptr backend_;
  ggml_gallocr_ptr arena_;
};

}  // namespace restkv
