// A model that is ready to run: hyper-parameters, weights, family and tokenizer of one GGUF file.
//
// Thread safety: read-only after load() but for what is safe by itself; any number of sessions may
// share it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/families/registry.h"
#include "model/hparams.h"
#include "model/layer_memo.h"
#include "model/tokenizer.h"
#include "model/weights.h"
#include "restkv/options.h"

namespace restkv {

// What a file says of itself, without its weights being touched.
struct ModelFile {
  std::string path;
  HParams hparams;
  const Family* family = nullptr;
  gguf_context_ptr metadata;
  ggml_context_ptr tensors;  // shapes and types, no data
  size_t weight_bytes = 0;
  std::string name;          // general.name, may be empty
  std::string weight_types;  // "Q4_1 210, F32 61"

  // Every check of the file that needs no weights. Error: model.
  static Result<ModelFile> open(const std::string& path);
};

class Model {
 public:
  // stage: "weights", "tokenizer". Called before each.
  using Progress = std::function<void(const char* stage)>;
  // kernels: which of them will run it; it decides how weights lie in memory.
  static Result<std::shared_ptr<const Model>> load(const std::string& path,
                                                   const Progress& progress = {},
                                                   Kernels kernels = Kernels::automatic);

  const HParams& hparams() const { return hparams_; }
  const Family& family() const { return *family_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Weights& weights() const { return *weights_; }
  const LayerWeights& layer(int32_t l) const { return layers_[l]; }
  const std::string& path() const { return path_; }
  ggml_tensor* output_norm() const { return output_norm_; }
  const Linear& output() const { return output_; }
  // What evictions have derived from the layers' output projections.
  LayerMemo& projection_factors() const { return *projection_factors_; }

  Rope rope() const { return {family_->rope_pairs, layers_[0].rope_freqs}; }
  AttentionScale attention_scale() const {
    const float scale = hparams_.attention_scale;
    return family_->scale_queries ? AttentionScale{.queries = scale}
                                  : AttentionScale{.logits = scale};
  }

  // hidden [n_token][n_embd] of token ids [n_token].
  ggml_tensor* embed(const GraphContext& g, ggml_tensor* ids) const;
  // logits [n_row][n_vocab] of hidden rows [n_row][n_embd].
  ggml_tensor* head(const GraphContext& g, ggml_tensor* hidden) const;

 private:
  std::string path_;
  HParams hparams_;
  const Family* family_ = nullptr;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<LayerWeights> layers_;
  ggml_tensor *token_embd_ = nullptr, *output_norm_ = nullptr;
  Linear output_;
  std::unique_ptr<LayerMemo> projection_factors_ = std::make_unique<LayerMemo>();
};

}  // namespace restkv
