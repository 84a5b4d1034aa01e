// The figures themselves. Source: the README and the figure scripts of an-yongqi/rest-kv a8bb112,
// the authors' repository.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace restkv::report {

struct PaperRuler {
  std::string_view method;
  std::array<double, 6> by_length;
  double average;
};
inline constexpr std::string_view kPaperRulerModel = "Llama-3.1-8B-Instruct";
inline constexpr int64_t kPaperRulerBudget = 1024;
inline constexpr size_t kPaperRulerTasks = 11;
inline constexpr std::array<int64_t, 6> kPaperRulerLengths = {4096,  8192,  16384,
                                                              32768, 65536, 131072};
inline constexpr std::array kPaperRuler = {
    PaperRuler{"Full", {99.34, 98.83, 98.55, 94.89, 89.85, 79.32}, 93.46},
    PaperRuler{"StreamingLLM", {39.81, 18.42, 12.10, 10.57, 9.91, 8.18}, 16.50},
    PaperRuler{"SnapKV", {83.60, 75.54, 71.12, 66.95, 57.47, 47.99}, 67.11},
    PaperRuler{"PyramidKV", {81.35, 73.66, 70.23, 69.83, 57.84, 48.93}, 66.97},
    PaperRuler{"ReST-KV", {94.01, 86.66, 84.12, 81.87, 78.65, 68.28}, 82.27},
};

struct PaperLongBench {
  std::string_view model, method;
  std::array<double, 5> by_budget;
};
struct PaperFull {
  std::string_view model;
  double score;
};
inline constexpr std::array<int64_t, 5> kPaperLongBenchBudgets = {64, 128, 256, 512, 1024};
inline constexpr std::string_view kPaperLlama3 = "Llama-3.1-8B-Instruct",
                                  kPaperLlama2 = "Llama-2-7B-Chat",
                                  kPaperMistral = "Mistral-7B-Instruct-v0.3";
inline constexpr std::array kPaperLongBenchFull = {PaperFull{kPaperLlama3, 39.96},
                                                   PaperFull{kPaperLlama2, 33.37},
                                                   PaperFull{kPaperMistral, 48.11}};
inline constexpr std::array kPaperLongBench = {
    PaperLongBench{kPaperLlama3, "StreamingLLM", {29.61, 31.14, 32.11, 33.84, 35.16}},
    PaperLongBench{kPaperLlama3, "H2O", {29.52, 30.56, 30.96, 34.53, 36.27}},
    PaperLongBench{kPaperLlama3, "TOVA", {30.63, 32.54, 35.07, 35.59, 37.55}},
    PaperLongBench{kPaperLlama3, "SnapKV", {31.48, 33.98, 36.07, 37.47, 38.61}},
    PaperLongBench{kPaperLlama3, "ReST-KV", {33.56, 35.86, 36.93, 38.33, 38.94}},
    PaperLongBench{kPaperLlama2, "StreamingLLM", {11.83, 21.69, 27.15, 28.86, 29.92}},
    PaperLongBench{kPaperLlama2, "H2O", {12.42, 22.43, 27.95, 29.15, 30.08}},
    PaperLongBench{kPaperLlama2, "TOVA", {20.20, 27.41, 30.16, 30.24, 31.96}},
    PaperLongBench{kPaperLlama2, "SnapKV", {22.96, 27.41, 30.90, 32.18, 32.99}},
    PaperLongBench{kPaperLlama2, "ReST-KV", {25.54, 29.99, 31.51, 32.38, 32.97}},
    PaperLongBench{kPaperMistral, "StreamingLLM", {34.24, 36.03, 37.71, 39.68, 41.19}},
    PaperLongBench{kPaperMistral, "H2O", {34.93, 36.31, 37.73, 41.42, 43.69}},
    PaperLongBench{kPaperMistral, "TOVA", {36.50, 39.76, 42.28, 42.85, 46.53}},
    PaperLongBench{kPaperMistral, "SnapKV", {37.53, 41.38, 43.79, 45.66, 46.83}},
    PaperLongBench{kPaperMistral, "ReST-KV", {40.05, 43.52, 45.27, 46.47, 47.18}},
};

}  // namespace restkv::report
