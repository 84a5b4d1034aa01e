// One store head of a layer as a policy sees it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/evict.h"
#include "restkv/policy.h"

namespace restkv {

// An observation and the memory that it borrows, beside the layer's own. Movable: what the view
// points to stays where it is.
class GroupView {
 public:
  GroupView(const CachePlan& plan, const LayerView& layer, int32_t store);
  GroupView(GroupView&&) = default;
  GroupView(const GroupView&) = delete;

  const Observation& view() const { return view_; }

 private:
  void copy_queries(const LayerView& layer, int64_t first, int64_t n);
  void expand_state(const std::vector<float>& known, int64_t per_entry);

  std::vector<float> queries_, state_;
  Observation view_;
};

}  // namespace restkv
