// One factory a policy; registry.cpp lists them. Each checks the options that its policy reads.
#pragma once

#include <memory>

#include "restkv/policy.h"

namespace restkv {

using PolicyResult = Result<std::unique_ptr<EvictionPolicy>>;

PolicyResult make_full(const PolicyOptions& options);
PolicyResult make_rest_kv(const PolicyOptions& options);
PolicyResult make_snapkv(const PolicyOptions& options);
PolicyResult make_streaming_llm(const PolicyOptions& options);

}  // namespace restkv
