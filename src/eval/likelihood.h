// Measures that generate nothing: how likely a sample's own texts are behind its prompt.
#pragma once

#include "eval/measure.h"

namespace restkv {

// Samples with fields "options" (texts) and "label" (the right one's number): the likeliest option
// is the answer. Its likelihood is that of all its tokens; in the other form, "normalised", it is
// divided by the length in bytes. Others: "normalised" (0 or 1), "nll" (nats, by option).
//
// A policy that cuts the cache while decoding reads the prompt once more for every option, since
// what it dropped does not come back.
Measure choose_option();

// Samples with the field "target": 1 if each of its tokens is the likeliest. Others: "nll" (nats,
// of the whole), "tokens".
Measure foresee_target();

// Samples with the field "target", a longer text, beside the full cache, which is read as well
// where it is none of the variants. The score is the share of tokens in whose place both find the
// same token likeliest. Others: "kl" (the mean of the Kullback-Leibler divergence of the variant's
// prediction from the full cache's, nats), "kl_p99", "nll" (the mean), "nll_change" (from the full
// cache's), "kl_by_token" and "nll_by_token".
Measure compare_with_full();

}  // namespace restkv
