// The paper's own figures for Mistral-7B, to print beside the measured ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace restkv::bench {

struct PaperFigure {
  double seconds_per_token = 0, peak_gb = 0;
  bool out_of_memory = false;  // shown as that in the figure
};

// arXiv 2605.08840, its figure on efficiency (one GPU, fp16 weights, 4k to 256k tokens); policies
// full, snapkv and rest-kv. Nothing for anything else.
std::optional<PaperFigure> paper_figure(std::string_view shape, std::string_view policy,
                                        int64_t n_token);

}  // namespace restkv::bench
