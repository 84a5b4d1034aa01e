// A cache configuration with its policy made and its limits checked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "model/hparams.h"
#include "restkv/options.h"
#include "restkv/policy.h"

namespace restkv {

// Room for decoded tokens that a layer is given at once while a schedule counts them.
constexpr int64_t kMaxRoom = 1024;

// "prompt", "turn", "decode:N", "chunk:N".
std::string schedule_name(const Schedule& schedule);

struct CachePlan {
  CacheConfig config;  // what the user set, presets resolved
  std::unique_ptr<EvictionPolicy> policy;
  PolicyTraits traits;
  int64_t window = 0;  // the policy's effective window
  LayerBudget layer_budget;
  HeadBudget head_budget;
  Schedule schedule;
  KeyPositions positions = KeyPositions::original;

  // Errors: usage (an option, a combination that cannot work), capacity (a budget that does not
  // hold its window and what is protected).
  static Result<std::shared_ptr<const CachePlan>> make(CacheConfig config);
  // What only the model can tell: widths that the storage type takes, the shape of tables.
  // Errors: as make().
  Status check_model(const HParams& hparams) const;

  // Whether a cache of a sequence of n_seen tokens is cut. n_seen counts evicted ones.
  bool evicts(int64_t n_seen) const { return !traits.keeps_all && n_seen > config.budget; }
  // Whether it is cut again after the first prompt, so that queries must be remembered.
  bool repeats() const { return !traits.keeps_all && schedule.kind != Schedule::Kind::prompt; }
  bool needs(Statistic statistic) const { return has(traits.needs, statistic); }
  bool rotates_when_read() const { return positions == KeyPositions::cache; }
  // Entries that are protected as the window; policies that look at positions have none to spare.
  int64_t protected_window() const {
    return traits.position_only || traits.protects == Protects::nothing ? 0 : window;
  }
  // The first entries that always stay: the user's, or the policy's own.
  int64_t n_sink() const { return std::max(config.protection.n_sink, traits.n_sink); }

  // Entries that a layer has room for behind a cut, where a schedule counts decoded tokens; more
  // room comes as it fills.
  int64_t room() const {
    const bool counts = repeats() && schedule.kind == Schedule::Kind::decode;
    return counts ? std::min(schedule.every, kMaxRoom) : 0;
  }

  // Queries that the policy looks at: this many of the last ones, or all since it last ran.
  int64_t n_last_query() const;
  bool sums_columns() const {
    return needs(Statistic::column_sums) || needs(Statistic::column_sums_noncausal);
  }
  // Whether a first prompt of n_token tokens leaves behind all that it sums, if the keys' sums are
  // taken while it is read.
  bool sums_while_reading(int64_t n_token) const {
    return needs(Statistic::column_sums) && evicts(n_token);
  }
  bool observes_all() const { return sums_columns() || needs(Statistic::query_moments); }

  int32_t n_cached_head(const HParams& hparams) const {
    const bool per_query = config.selection.granularity == Granularity::query_head;
    return static_cast<int32_t>(per_query ? hparams.n_head : hparams.n_head_kv);
  }
};

}  // namespace restkv
