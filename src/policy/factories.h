// One factory a policy; registry.cpp lists them. Each checks the options that its policy reads.
#pragma once

#include <memory>

#include "restkv/policy.h"

namespace restkv {

using PolicyResult = Result<std::unique_ptr<EvictionPolicy>>;

PolicyResult make_cam(const PolicyOptions& options);
PolicyResult make_expected_attention(const PolicyOptions& options);
PolicyResult make_full(const PolicyOptions& options);
PolicyResult make_h2o(const PolicyOptions& options);
PolicyResult make_h2o_noncausal(const PolicyOptions& options);
PolicyResult make_knorm(const PolicyOptions& options);
PolicyResult make_l2norm(const PolicyOptions& options);
PolicyResult make_lacache(const PolicyOptions& options);
PolicyResult make_random(const PolicyOptions& options);
PolicyResult make_rest_kv(const PolicyOptions& options);
PolicyResult make_snapkv(const PolicyOptions& options);
PolicyResult make_streaming_llm(const PolicyOptions& options);
PolicyResult make_tova(const PolicyOptions& options);

}  // namespace restkv
