// The scores of ReST-KV (arXiv 2605.08840; docs/policies.md, rest-kv).
#pragma once

#include <cstdint>
#include <span>

#include "core/workers.h"
#include "policy/window_pass.h"
#include "restkv/policy.h"

namespace restkv {

enum class RestKvIndicator { reconstruction, attention, attention_value };

struct RestKvSettings {
  RestKvIndicator indicator = RestKvIndicator::reconstruction;
  Fold temporal = Fold::ema;
  Smoothing::Kind spatial = Smoothing::Kind::shifted_box;
  int64_t kernel = 21;
  double alpha = 0.3, beta = 2000.0, tau = 1.0;
  bool mode_before = false, use_projection = true, use_norm = false;

  bool adaptive() const { return spatial == Smoothing::Kind::shifted_box; }
  bool reconstructs() const { return indicator == RestKvIndicator::reconstruction; }
  // Every row becomes scores before it is folded.
  bool scores_rows() const { return reconstructs() && mode_before; }
  // The folded row is multiplied with distances to its output.
  bool needs_output() const { return reconstructs() && !mode_before; }
  bool needs_values_behind() const {
    return needs_output() || indicator == RestKvIndicator::attention_value;
  }
};

// score_layer(). The keys are passed once for all heads of a group and a slice of the window, the
// values twice, for the output and for the distances to it.
// REQUIRES: an even number of window queries where settings.adaptive(). Error: capacity.
Status score_rest_kv(const RestKvSettings& settings, std::span<const Observation> groups,
                     Workers& workers, std::span<GroupScores> scores);

}  // namespace restkv
