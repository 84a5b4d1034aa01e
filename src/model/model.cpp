#include "model/model.h"

#include <map>

#include "core/freed_memory.h"
#include "kernels/dequant_rows.h"
#include "model/gguf_check.h"
#include "model/vocab_check.h"
#include "products/bf16_product.h"

namespace restkv {
namespace {

std::string describe_types(ggml_context* tensors) {
  std::map<std::string, int> count;
  for (ggml_tensor* t = ggml_get_first_tensor(tensors); t != nullptr;
       t = ggml_get_next_tensor(tensors, t)) {
    ++count[ggml_type_name(t->type)];
  }
  std::string text;
  for (const auto& [type, n] : count) {
    text += (text.empty() ? "" : ", ") + type + " " + std::to_string(n);
  }
  return text;
}

bool keeps_none(ggml_type) {
  return false;
}

// Where prompts and decoding steps are both multiplied from the file's own layout.
bool keeps_own(ggml_type type) {
  return has_bf16_product() && kernels::is_weight_type(type);
}

// Hyper-parameters, family, tensors and tokenizer metadata of an open file.
Status check_content(ModelFile* file) {
  const auto supported = family_names();
  RESTKV_ASSIGN_OR_RETURN(file->hparams, read_hparams(file->metadata.get(), supported));
  file->family = find_family(file->hparams.arch);
  RESTKV_RETURN_IF_ERROR(
      check_tensors(file->tensors.get(), file->hparams, file->family->tensors(file->hparams)));
  return check_vocab(file->metadata.get());
}

}  // namespace

Result<ModelFile> ModelFile::open(const std::string& path) {
  RESTKV_RETURN_IF_ERROR(check_gguf_file(path));
  ModelFile file;
  file.path = path;
  ggml_context* tensors = nullptr;
  file.metadata.reset(gguf_init_from_file(path.c_str(), {/*no_alloc=*/true, &tensors}));
  file.tensors.reset(tensors);
  if (!file.metadata || !file.tensors) return Status::model(path + ": ggml rejects this file");
  const Status content = check_content(&file);
  if (!content.ok()) return Status(content.kind(), path + ": " + content.message());
  const int64_t name = gguf_find_key(file.metadata.get(), "general.name");
  if (name >= 0 && gguf_get_kv_type(file.metadata.get(), name) == GGUF_TYPE_STRING) {
    file.name = printable(gguf_get_val_str(file.metadata.get(), name));
  }
  file.weight_types = describe_types(file.tensors.get());
  for (ggml_tensor* t = ggml_get_first_tensor(tensors); t != nullptr;
       t = ggml_get_next_tensor(tensors, t)) {
    file.weight_bytes += ggml_nbytes(t);
  }
  return file;
}

Result<std::shared_ptr<const Model>> Model::load(const std::string& path, const Progress& progress,
                                                 Kernels kernels) {
  RESTKV_ASSIGN_OR_RETURN(ModelFile file, ModelFile::open(path));
  auto model = std::make_shared<Model>();
  model->path_ = path;
  model->hparams_ = file.hparams;
  model->family_ = file.family;
  if (progress) progress("weights");
  RESTKV_ASSIGN_OR_RETURN(model->weights_,
                          Weights::load(path, file.metadata.get(), std::move(file.tensors),
                                        kernels == Kernels::ggml ? keeps_none : keeps_own));
  // A large vocabulary's strings, read once more by the tokenizer.
  file.metadata.reset();
  if (progress) progress("tokenizer");
  RESTKV_ASSIGN_OR_RETURN(model->tokenizer_, Tokenizer::load(path));
  if (model->tokenizer_->n_vocab() != static_cast<int32_t>(file.hparams.n_vocab)) {
    return Status::model(path + ": the tokenizer has " +
                         std::to_string(model->tokenizer_->n_vocab()) +
                         " tokens, token_embd.weight has " + std::to_string(file.hparams.n_vocab) +
                         " rows; they must be equal");
  }
  const Weights& weights = *model->weights_;
  for (uint32_t l = 0; l < file.hparams.n_layer; ++l) {
    model->layers_.push_back(bind_layer(weights, static_cast<int32_t>(l)));
  }
  model->token_embd_ = weights.plain("token_embd.weight");
  model->output_norm_ = weights.plain("output_norm.weight");
  const bool tied = weights.plain("output.weight") == nullptr;
  model->output_ = {weights.matrix(tied ? "token_embd.weight" : "output.weight"),
                    weights.plain("output.bias")};
  return_freed_memory();
  return std::shared_ptr<const Model>(std::move(model));
}

ggml_tensor* Model::embed(const GraphContext& g, ggml_tensor* ids) const {
  ggml_tensor* x = ggml_get_rows(g.ctx, token_embd_, ids);
  const float scale = family_->embedding_scale(hparams_);
  return scale == 1.0f ? x : ggml_scale(g.ctx, x, scale);
}

ggml_tensor* Model::head(const GraphContext& g, ggml_tensor* hidden) const {
  return g.ops.add_linear(g, output_, g.ops.norm(g, hidden, output_norm_), nullptr);
}

}  // namespace restkv
