#include "bench/layer/shapes.h"

namespace restkv::bench {
namespace {

constexpr LayerShape kShapes[] = {
    {"smollm2-135m", "llama", 576, 1536, 9, 3, 64, 30, 49152, 1e5f},
    {"llama2-7b", "llama", 4096, 11008, 32, 32, 128, 32, 32000, 1e4f},
    {"llama2-13b", "llama", 5120, 13824, 40, 40, 128, 40, 32000, 1e4f},
    {"llama3-8b", "llama", 4096, 14336, 32, 8, 128, 32, 128256, 5e5f},
    {"llama3-70b", "llama", 8192, 28672, 64, 8, 128, 80, 128256, 5e5f},
    {"mistral-7b", "llama", 4096, 14336, 32, 8, 128, 32, 32768, 1e6f},
    {"gemma-2b", "gemma", 2048, 16384, 8, 1, 256, 18, 256000, 1e4f},
    {"gemma-7b", "gemma", 3072, 24576, 16, 16, 256, 28, 256000, 1e4f},
    {"qwen2.5-0.5b", "qwen2", 896, 4864, 14, 2, 64, 24, 151936, 1e6f},
    {"qwen2.5-1.5b", "qwen2", 1536, 8960, 12, 2, 128, 28, 151936, 1e6f},
    {"qwen2.5-7b", "qwen2", 3584, 18944, 28, 4, 128, 28, 152064, 1e6f},
    {"qwen2.5-14b", "qwen2", 5120, 13824, 40, 8, 128, 48, 152064, 1e6f},
};

}  // namespace

std::span<const LayerShape> layer_shapes() {
  return kShapes;
}

Result<LayerShape> find_shape(const std::string& name) {
  std::string names;
  for (const LayerShape& shape : kShapes) {
    if (name == shape.name) return shape;
    names += (names.empty() ? "" : ", ") + std::string(shape.name);
  }
  return Status::usage("--shape is \"" + name + "\", allowed: " + names);
}

int64_t layer_weights(const LayerShape& s) {
  const int64_t attention = int64_t{s.head_dim} * (2 * s.n_head + 2 * s.n_head_kv);
  return int64_t{s.n_embd} * (attention + 3 * int64_t{s.n_ff});
}

}  // namespace restkv::bench
