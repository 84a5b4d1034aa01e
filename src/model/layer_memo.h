// Floats that follow from a layer's weights, kept by whoever has computed them first.
//
// Thread safety: all members may be called concurrently.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace restkv {

class LayerMemo {
 public:
  using Floats = std::shared_ptr<const std::vector<float>>;

  // nullptr where nothing is kept.
  Floats find(int32_t layer) const {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(layer) < kept_.size() ? kept_[layer] : nullptr;
  }

  void keep(int32_t layer, Floats floats) {
    const std::lock_guard lock(mutex_);
    if (static_cast<size_t>(layer) >= kept_.size()) kept_.resize(layer + 1);
    kept_[layer] = std::move(floats);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Floats> kept_;  // [n_layer]
};

}  // namespace restkv
