#include "engine/plan.h"

#include <algorithm>
#include <string>

#include "cache/storage.h"

namespace restkv {
namespace {

Status check_schedule(const Schedule& schedule) {
  const bool counted =
      schedule.kind == Schedule::Kind::decode || schedule.kind == Schedule::Kind::chunk;
  if (!counted || (schedule.every >= 1 && schedule.every <= (int64_t{1} << 30))) return {};
  return Status::usage("--kv-schedule counts " + std::to_string(schedule.every) +
                       " tokens, allowed: 1 to " + std::to_string(int64_t{1} << 30));
}

// One selection for all heads of a layer leaves nothing to split between them.
Status check_head_split(const CachePlan& plan) {
  if (plan.head_budget.kind == HeadBudget::Kind::uniform || plan.traits.keeps_all) return {};
  const std::string name(plan.traits.name);
  if (plan.traits.position_only) {
    return Status::usage("--kv-head-budget must be uniform for " + name +
                         ": it keeps the same positions in every head");
  }
  if (plan.traits.vote == VotePoint::layer) {
    return Status::usage("--kv-head-budget must be uniform for " + name +
                         ": all heads of a layer choose together");
  }
  return {};
}

Status check_protection(const CachePlan& plan) {
  const Protection& protection = plan.config.protection;
  for (const Protection::Span& pin : protection.pins) {
    if (pin.begin >= 0 && pin.begin < pin.end) continue;
    return Status::usage("--kv-pin is " + std::to_string(pin.begin) + ":" +
                         std::to_string(pin.end) +
                         ", it must be FIRST:END with FIRST at least 0 and below END");
  }
  if (protection.n_sink < 0) {
    return Status::usage("--kv-sink is " + std::to_string(protection.n_sink) +
                         ", it must be at least 0 (-1: the policy's own)");
  }
  const int64_t room = plan.config.budget - plan.protected_window();
  Protection all = protection;
  all.n_sink = plan.n_sink();
  const int64_t n_forced = all.count(INT64_MAX);
  if (n_forced <= room) return {};
  return Status::capacity("--kv-sink and --kv-pin protect " + std::to_string(n_forced) +
                          " entries, --kv-budget " + std::to_string(plan.config.budget) +
                          " and the window leave room for " + std::to_string(room));
}

}  // namespace

std::string schedule_name(const Schedule& schedule) {
  switch (schedule.kind) {
    case Schedule::Kind::prompt:
      return "prompt";
    case Schedule::Kind::turn:
      return "turn";
    case Schedule::Kind::decode:
      return "decode:" + std::to_string(schedule.every);
    case Schedule::Kind::chunk:
      return "chunk:" + std::to_string(schedule.every);
  }
  return "?";
}

Result<std::shared_ptr<const CachePlan>> CachePlan::make(CacheConfig config) {
  if (config.budget < 1 || config.budget > INT32_MAX / 2) {
    return Status::capacity("--kv-budget is " + std::to_string(config.budget) +
                            ", it must be at least 1 and at most " + std::to_string(INT32_MAX / 2));
  }
  RESTKV_RETURN_IF_ERROR(apply_preset(&config));
  auto plan = std::make_shared<CachePlan>();
  RESTKV_ASSIGN_OR_RETURN(plan->policy, make_policy(config.policy));
  plan->traits = plan->policy->traits();
  plan->layer_budget = config.layer_budget.value_or(LayerBudget{});
  plan->head_budget = config.head_budget.value_or(HeadBudget{});
  plan->schedule = config.schedule.value_or(plan->traits.schedule);
  plan->positions = config.positions.value_or(plan->traits.positions);
  plan->window = plan->policy->effective_window(config.policy.window, config.budget);
  plan->config = std::move(config);
  RESTKV_RETURN_IF_ERROR(check_schedule(plan->schedule));
  RESTKV_RETURN_IF_ERROR(check_head_split(*plan));
  if (!plan->traits.keeps_all) {
    RESTKV_RETURN_IF_ERROR(plan->policy->check_budget(plan->window, plan->config.budget, 0));
    RESTKV_RETURN_IF_ERROR(check_protection(*plan));
  }
  return std::shared_ptr<const CachePlan>(std::move(plan));
}

Status CachePlan::check_model(const HParams& hp) const {
  RESTKV_RETURN_IF_ERROR(check_storage(config.type, hp.head_dim));
  if (traits.keeps_all) return {};
  const auto n_layer = static_cast<int32_t>(hp.n_layer);
  RESTKV_RETURN_IF_ERROR(policy->check_budget(window, config.budget, n_layer));
  if (layer_budget.kind == LayerBudget::Kind::table && layer_budget.table.size() != hp.n_layer) {
    return Status::usage("the table of --kv-layer-budget has " +
                         std::to_string(layer_budget.table.size()) + " layers, the model has " +
                         std::to_string(hp.n_layer));
  }
  if (head_budget.kind != HeadBudget::Kind::table) return {};
  if (head_budget.table.size() != hp.n_layer) {
    return Status::usage("the table of --kv-head-budget has " +
                         std::to_string(head_budget.table.size()) + " layers, the model has " +
                         std::to_string(hp.n_layer));
  }
  for (size_t l = 0; l < head_budget.table.size(); ++l) {
    const size_t n = head_budget.table[l].size();
    if (n == hp.n_head || (n == hp.n_head_kv && n_cached_head(hp) == int64_t{hp.n_head_kv}))
      continue;
    return Status::usage("row " + std::to_string(l) + " of the --kv-head-budget table has " +
                         std::to_string(n) + " heads, the model has " + std::to_string(hp.n_head) +
                         " query and " + std::to_string(hp.n_head_kv) + " KV heads");
  }
  return {};
}

int64_t CachePlan::n_last_query() const {
  if (needs(Statistic::window_queries)) return window;
  return needs(Statistic::last_query) ? 1 : 0;
}

}  // namespace restkv
