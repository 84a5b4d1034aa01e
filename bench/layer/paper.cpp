#include "bench/layer/paper.h"

namespace restkv::bench {
namespace {

constexpr int kLengths = 7;  // 4k, 8k .. 256k

struct Series {
  std::string_view policy;
  double seconds[kLengths], gb[kLengths];
};

constexpr Series kSeries[] = {
    {"full",
     {0.032, 0.041, 0.063, 0.101, 0.184, 0.342, 0.702},
     {16.86, 17.86, 19.85, 23.83, 31.80, 47.73, 79.59}},
    {"snapkv",
     {0.032, 0.032, 0.032, 0.032, 0.032, 0.032, 0.032},
     {16.19, 16.64, 17.55, 19.36, 22.99, 30.24, 44.75}},
    {"rest-kv",
     {0.031, 0.030, 0.032, 0.033, 0.032, 0.034, 0.034},
     {16.31, 16.76, 17.71, 19.58, 23.21, 30.56, 45.17}},
};

}  // namespace

std::optional<PaperFigure> paper_figure(std::string_view shape, std::string_view policy,
                                        int64_t n_token) {
  if (shape != "mistral-7b") return {};
  for (const Series& series : kSeries) {
    if (series.policy != policy) continue;
    for (int i = 0; i < kLengths; ++i) {
      if (n_token != int64_t{4096} << i) continue;
      return PaperFigure{series.seconds[i], series.gb[i], policy == "full" && i == kLengths - 1};
    }
  }
  return {};
}

}  // namespace restkv::bench
