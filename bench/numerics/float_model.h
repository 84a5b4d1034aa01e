// A model's file with all weights as F32.
#pragma once

#include <memory>
#include <string>

#include "bench/numerics/temp_file.h"

namespace restkv::bench {

// A GGUF file with the same metadata and tensors, every tensor dequantised by ggml.
// Errors: model (the file, a type that ggml does not dequantise), as TempFile::create().
Result<std::unique_ptr<TempFile>> write_float_model(const std::string& path, int n_threads);

}  // namespace restkv::bench
