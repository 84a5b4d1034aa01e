#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "ggml.h"
#include "model/gguf_check.h"
#include "model/hparams.h"

namespace restkv {
namespace {

std::string shape_text(const int64_t* ne) {
  int n_dims = GGML_MAX_DIMS;
  while (n_dims > 1 && ne[n_dims - 1] == 1)
    --n_dims;
  std::string out = "[";
  for (int d = 0; d < n_dims; ++d)
    out += (d > 0 ? ", " : "") + std::to_string(ne[d]);
  return out + "]";
}

bool is_weight_type(ggml_type type) {
  switch (type) {
    case GGML_TYPE_F32:
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16:
      return true;
    // Types of activations inside a matrix product; ggml cannot multiply by them as weights.
    case GGML_TYPE_Q8_1:
    case GGML_TYPE_Q8_K:
      return false;
    default:
      return ggml_is_quantized(type);
  }
}

Status check_one(const ggml_tensor& found, const ExpectedTensor& expected, const HParams& hparams) {
  const std::string name = "tensor \"" + expected.name + "\"";
  const bool same = std::equal(expected.ne, expected.ne + GGML_MAX_DIMS, found.ne);
  if (!same && expected.name == "token_embd.weight" && found.ne[0] == expected.ne[0]) {
    return Status::model("the vocabulary does not match: the tokenizer has " +
                         std::to_string(hparams.n_vocab) + " tokens, " + name + " has " +
                         std::to_string(found.ne[1]) + " rows");
  }
  if (!same) {
    return Status::model(name + " has shape " + shape_text(found.ne) +
                         " (expected: " + shape_text(expected.ne) + ")");
  }
  const bool vector = expected.ne[1] == 1 && expected.ne[2] == 1 && expected.ne[3] == 1;
  if (vector ? found.type == GGML_TYPE_F32 : is_weight_type(found.type)) return {};
  return Status::model(name + " has type " + ggml_type_name(found.type) + " (expected: " +
                       (vector ? "f32" : "f32, f16, bf16 or a quantized weight type") + ")");
}

}  // namespace

Status check_tensors(ggml_context* meta, const HParams& hparams,
                     std::span<const ExpectedTensor> expected) {
  // ggml finds a tensor by walking its list; with thousands of names that would be quadratic.
  std::unordered_map<std::string_view, const ggml_tensor*> found;
  for (ggml_tensor* t = ggml_get_first_tensor(meta); t != nullptr;
       t = ggml_get_next_tensor(meta, t)) {
    found.emplace(t->name, t);
  }
  std::unordered_set<std::string_view> known;
  for (const ExpectedTensor& tensor : expected) {
    known.insert(tensor.name);
    const auto it = found.find(tensor.name);
    if (it != found.end()) {
      RESTKV_RETURN_IF_ERROR(check_one(*it->second, tensor, hparams));
    } else if (tensor.required) {
      return Status::model("tensor \"" + tensor.name +
                           "\" is missing (expected shape: " + shape_text(tensor.ne) + ")");
    }
  }
  for (ggml_tensor* t = ggml_get_first_tensor(meta); t != nullptr;
       t = ggml_get_next_tensor(meta, t)) {
    if (known.contains(t->name)) continue;
    return Status::model("tensor \"" + printable(t->name) + "\" of shape " + shape_text(t->ne) +
                         " is not known for architecture \"" + hparams.arch + "\"");
  }
  return {};
}

}  // namespace restkv
