// A random model, small enough to run under sanitizers, written as a GGUF file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"

namespace restkv::test {

// Grouped-query llama: 3 layers, 4 query heads on 2 KV heads of width 16, byte-level vocabulary.
// `nan_in` names a tensor whose first weight becomes NaN.
std::string write_tiny_model(const std::string& path, const std::string& nan_in = "");

// The model, written once for the process.
std::shared_ptr<const Model> tiny_model();

// n token ids of the model's vocabulary, the same for the same seed.
std::vector<int32_t> random_tokens(int64_t n, uint32_t seed);

}  // namespace restkv::test
