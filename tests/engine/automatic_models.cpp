#include "tests/engine/automatic_models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace restkv::test {

// Two layers with a gain of 1: deeper or steeper ones multiply the rounding that is to be bounded.
const std::vector<AutomaticModel>& automatic_models() {
  const auto shape = [](TinyShape s) {
    s.n_layer = 2;
    s.gain = 1.0f;
    return s;
  };
  static const std::vector<AutomaticModel> kModels{
      {"llama_f32", shape({.all_biases = true})},
      {"llama_f16_odd", shape({.n_head_kv = 4, .n_ff = 83, .type = GGML_TYPE_F16})},
      {"qwen2_bf16_odd", shape({.arch = "qwen2", .n_ff = 97, .type = GGML_TYPE_BF16})},
      {"llama_q8_0", shape({.n_head_kv = 1,
                            .n_ff = 288,
                            .own_output = true,
                            .all_biases = true,
                            .type = GGML_TYPE_Q8_0})},
      {"qwen2_q4_0", shape({.arch = "qwen2", .all_biases = true, .type = GGML_TYPE_Q4_0})},
      {"llama_q4_1",
       shape({.head_dim = 32, .rope_freqs = true, .n_ff = 352, .type = GGML_TYPE_Q4_1})},
      {"gemma_q5_0", shape({.arch = "gemma",
                            .n_head_kv = 1,
                            .head_dim = 32,
                            .n_rot = 24,
                            .n_ff = 288,
                            .type = GGML_TYPE_Q5_0})},
      {"gemma_q5_1_q8_0", shape({.arch = "gemma",
                                 .head_dim = 64,
                                 .type = GGML_TYPE_Q5_1,
                                 .mixed_type = GGML_TYPE_Q8_0})},
      {"llama_q4_k_q6_k", shape({.n_head = 8,
                                 .head_dim = 32,
                                 .n_embd = 256,
                                 .n_ff = 512,
                                 .type = GGML_TYPE_Q4_K,
                                 .mixed_type = GGML_TYPE_Q6_K})},
      {"qwen2_q5_k", shape({.arch = "qwen2",
                            .n_head = 4,
                            .n_head_kv = 1,
                            .head_dim = 64,
                            .n_embd = 256,
                            .n_ff = 256,
                            .own_output = true,
                            .type = GGML_TYPE_Q5_K})},
      // Products that take vectors in different forms.
      {"llama_q8_0_f16", shape({.type = GGML_TYPE_Q8_0, .mixed_type = GGML_TYPE_F16})},
      // A type that no kernel of ours reads by itself.
      {"llama_iq4_nl", shape({.type = GGML_TYPE_IQ4_NL})},
  };
  return kModels;
}

const AutomaticModel& automatic_model(const std::string& name) {
  const auto& all = automatic_models();
  return *std::ranges::find(all, name, &AutomaticModel::name);
}

const Pair& load_pair(const AutomaticModel& model) {
  static std::map<std::string, Pair> pairs;
  Pair& pair = pairs[model.name];
  if (pair.own != nullptr) return pair;
  TinyShape floats = model.shape;
  floats.in_floats = true;
  pair = {load_tiny_model(model.shape, Kernels::automatic), load_tiny_model(floats, Kernels::ggml)};
  return pair;
}

std::vector<float> Side::read(std::span<const int32_t> tokens, Sequence* sequence,
                              const PrefillAttention& attention, sparse::BlockCount* blocks) const {
  std::vector<float> logits;
  ReadRequest request{.tokens = tokens};
  request.attention = attention;
  request.on_logits = [&](int64_t, TensorView<const float, 2> rows) {
    logits.insert(logits.end(), rows.data, rows.data + rows.size());
    return Status();
  };
  const auto result = extend(*model, *compute, request, sequence);
  EXPECT_TRUE(result.ok()) << result.status().message();
  if (result.ok() && blocks != nullptr) *blocks = result->blocks;
  return logits;
}

std::vector<float> Side::step(std::span<const DecodeSlot> slots) const {
  std::vector<float> logits;
  const Status status = decode(*model, *compute, slots, &logits);
  EXPECT_TRUE(status.ok()) << status.message();
  return logits;
}

Side own_side(const Pair& pair, int n_threads) {
  return {pair.own, make_compute(nullptr, n_threads, Kernels::automatic)};
}

Side float_side(const Pair& pair) {
  return {pair.floats, make_compute(nullptr, 1, Kernels::ggml)};
}

double worst_row_error(std::span<const float> a, std::span<const float> b, int64_t n_row) {
  EXPECT_EQ(a.size(), b.size());
  EXPECT_EQ(b.size() % n_row, 0u);
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  const size_t n = b.size() / n_row;
  for (int64_t i = 0; i < n_row; ++i)
    worst = std::max(worst, relative_error(a.subspan(i * n, n), b.subspan(i * n, n)));
  return worst;
}

}  // namespace restkv::test
