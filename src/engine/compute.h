// Runs ggml graphs on the CPU backend. Inputs and outputs are the caller's memory, wrapped as
// tensors; everything in between lives in one arena that is sized by the largest graph so far.
//
// Thread safety: one graph at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/workers.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml.h"
#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv {

// What nodes of ours point to while their graph runs.
using NodeData = std::vector<std::shared_ptr<void>>;

// Work of one node on one of n_thread threads; all of them are called, each with its own `thread`.
// It must not throw and must not allocate: nothing in a running graph can be given up.
using NodeWork = std::function<void(ggml_tensor* dst, int thread, int n_thread)>;

// A graph under construction.
struct GraphBuild {
  ggml_context* ctx;
  ggml_cgraph* graph;
  NodeData* owned;
  int n_threads;

  void expand(ggml_tensor* node) const { ggml_build_forward_expand(graph, node); }

  // Keeps a value until the graph has run.
  template <typename T>
  T* keep(T value) const {
    auto kept = std::make_shared<T>(std::move(value));
    owned->push_back(kept);
    return kept.get();
  }

  // A node of ours with result [ne2][ne1][ne0], computed by all threads. It runs after its inputs
  // (at most 8; what it reads of them is its business), and the next node after it: what threads
  // must have finished before others go on belongs into a node before.
  ggml_tensor* node(ggml_type type, int64_t ne0, int64_t ne1, int64_t ne2,
                    std::span<ggml_tensor* const> inputs, NodeWork work) const;

  // The caller's memory as a contiguous tensor; ne as in ggml, innermost first.
  ggml_tensor* wrap(ggml_type type, const void* data, int64_t ne0, int64_t ne1 = 1,
                    int64_t ne2 = 1) const;
  // The same with strides in bytes between rows and planes.
  ggml_tensor* wrap_strided(ggml_type type, const void* data, int64_t ne0, int64_t ne1, int64_t ne2,
                            size_t nb1, size_t nb2) const;
};

class Compute {
 public:
  // n_threads >= 1. Set *cancel to stop a running graph; it may be null. kernels: what those who
  // build graphs choose their nodes by.
  static Result<std::unique_ptr<Compute>> create(int n_threads, const std::atomic<bool>* cancel,
                                                 Kernels kernels = Kernels::automatic);

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
  Kernels kernels() const { return kernels_; }

  // ggml's own threads for other work. They spin for a while after a graph, and threads of ours
  // would have to share the cores with them. No graph runs meanwhile: for_each() outside together()
  // takes a moment to gather them.
  Workers& workers() { return workers_; }
  // Calls work() on this thread while the others wait for its for_each(). It may throw.
  // REQUIRES: work runs no graph.
  void together(const std::function<void()>& work);

  bool cancelled() const { return cancel_ != nullptr && cancel_->load(); }

 private:
  class GraphThreads final : public Workers {
   public:
    explicit GraphThreads(Compute& compute) : compute_(compute) {}
    int n_threads() const override { return compute_.n_threads_; }
    void for_each(int64_t n, WorkRef work) override;

   private:
    Compute& compute_;
  };

  void watch(const std::atomic<bool>* cancel);

  int n_threads_ = 1;
  Kernels kernels_ = Kernels::automatic;
  GraphThreads workers_{*this};
  struct Meeting;

  Crew* crew_ = nullptr;  // while the threads are together
  std::atomic<Meeting*> meeting_{nullptr};
  std::atomic<int> n_left_{0};
  const std::atomic<bool>* cancel_ = nullptr;
  ggml_backend_ptr backend_;
  ggml_gallocr_ptr arena_;
};

}  // namespace restkv
