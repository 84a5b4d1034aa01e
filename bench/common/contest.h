// What the scenarios that run a model share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/common/libllama.h"
#include "engine/compute.h"
#include "engine/plan.h"
#include "model/model.h"

namespace restkv::bench {

struct Contest {
  const Model& model;
  Compute& compute;
  Libllama* libllama = nullptr;  // the contender, where a scenario has one
  std::string text;              // of the prompts; empty: the ledger
  std::vector<CacheConfig> configs;
  int n_repeat = 3;
  std::function<void(const std::string&)> on_step{};  // what is being measured now

  void say(const std::string& what) const {
    if (on_step) on_step(what);
  }
  Result<std::vector<std::shared_ptr<const CachePlan>>> plans() const {
    std::vector<std::shared_ptr<const CachePlan>> made;
    for (const CacheConfig& config : configs) {
      RESTKV_ASSIGN_OR_RETURN(made.emplace_back(), CachePlan::make(config));
    }
    return made;
  }
};

// The full cache, with everything else as usual.
inline CacheConfig full_config() {
  CacheConfig config;
  config.policy.name = "full";
  return config;
}

}  // namespace restkv::bench
