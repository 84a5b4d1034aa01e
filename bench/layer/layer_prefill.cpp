#include "bench/layer/layer_prefill.h"

#include <algorithm>

#include "bench/layer/layer_chunk.h"
#include "bench/layer/sampled_chunks.h"
#include "engine/chunks.h"
#include "sparse/pattern.h"

namespace restkv::bench {
namespace {

class PromptSample {
 public:
  PromptSample(const LayerPrompt& prompt, std::vector<Chunk> chunks,
               std::unique_ptr<LayerChunks> layer)
      : prompt_(prompt), chunks_(std::move(chunks)), layer_(std::move(layer)) {}

  Result<LayerPrefill> dense() {
    LayerPrefill result{.n_token = prompt_.n_token};
    std::vector<double> ms;
    for (const Chunk& chunk : chunks_) {
      if (!chunk.sampled) continue;
      say("dense", chunk);
      RESTKV_ASSIGN_OR_RETURN(const double of_chunk, layer_->run_dense(chunk));
      ms.push_back(of_chunk / static_cast<double>(chunk.n));
    }
    result.ms = over_prompt(chunks_, ms) * static_cast<double>(prompt_.n_token);
    return result;
  }

  // Not of the measurement: pages and threads are there afterwards.
  Status warm_up() { return layer_->run_dense(chunks_[0]).status(); }

  Result<LayerPrefill> sparse(const PrefillAttention& attention) {
    LayerPrefill result{.attention = attention, .n_token = prompt_.n_token};
    RESTKV_RETURN_IF_ERROR(layer_->begin(attention));
    RESTKV_RETURN_IF_ERROR(layer_->run_keys(chunks_[0]).status());  // warms up
    if (layer_->looks_first()) {
      RESTKV_ASSIGN_OR_RETURN(const double keys_ms, layer_->run_keys(chunks_[0]));
      result.keys_ms = keys_ms * static_cast<double>(prompt_.n_token) / chunks_[0].n;
      RESTKV_ASSIGN_OR_RETURN(result.choose_ms, layer_->choose(chunks_.back()));
    }
    std::vector<double> ms;
    double select_ms = 0;
    int64_t n_selected = 0;
    std::vector<std::vector<double>> mass;  // [sampled][n_head]
    for (const Chunk& chunk : chunks_) {
      say(std::string(sparse::pattern_name(attention.kind)), chunk);
      RESTKV_ASSIGN_OR_RETURN(const double of_chunk, layer_->run_sparse(chunk, !chunk.sampled));
      if (!chunk.sampled) {
        select_ms += of_chunk;
        n_selected += chunk.n;
        continue;
      }
      ms.push_back(of_chunk / static_cast<double>(chunk.n));
      mass.push_back(layer_->mass(chunk));
    }
    result.ms = over_prompt(chunks_, ms) * static_cast<double>(prompt_.n_token) + result.keys_ms +
                result.choose_ms;
    if (n_selected > 0) {
      result.select_ms = select_ms * static_cast<double>(prompt_.n_token) / n_selected;
    }
    result.share = layer_->blocks().share();
    add_mass(mass, &result);
    return result;
  }

 private:
  void say(const std::string& what, const Chunk& chunk) const {
    if (prompt_.say) prompt_.say("prefill, " + what + ", behind " + std::to_string(chunk.first));
  }

  // Where the dense tail leaves no query of a chunk, all of its attention is computed.
  void add_mass(const std::vector<std::vector<double>>& mass, LayerPrefill* result) const {
    size_t n_head = 0;
    for (const auto& of_chunk : mass)
      n_head = std::max(n_head, of_chunk.size());
    double sum = 0;
    for (size_t h = 0; h < n_head; ++h) {
      std::vector<double> of_head;
      for (const auto& of_chunk : mass)
        of_head.push_back(of_chunk.empty() ? 1.0 : of_chunk[h]);
      const double mean = over_prompt(chunks_, of_head);
      result->least_mass = std::min(result->least_mass, mean);
      sum += mean;
    }
    if (n_head > 0) result->mass = sum / static_cast<double>(n_head);
  }

  const LayerPrompt& prompt_;
  const std::vector<Chunk> chunks_;
  const std::unique_ptr<LayerChunks> layer_;
};

}  // namespace

Result<std::vector<LayerPrefill>> sample_prefill(const Model& model, Compute& compute,
                                                 const LayerPrompt& prompt,
                                                 const std::vector<PrefillAttention>& sparse) {
  const int64_t n_token = prompt.n_token;
  std::vector<Chunk> chunks =
      divide_prompt(n_token, chunk_rows(model.hparams(), n_token, compute.kernels()));
  int64_t longest = 0;
  for (const Chunk& chunk : chunks)
    longest = std::max(longest, chunk.n);
  RESTKV_ASSIGN_OR_RETURN(auto layer, LayerChunks::create(model, compute, n_token, longest));
  PromptSample sample(prompt, std::move(chunks), std::move(layer));
  std::vector<LayerPrefill> results(1);
  for (const PrefillAttention& attention : sparse) {
    RESTKV_ASSIGN_OR_RETURN(results.emplace_back(), sample.sparse(attention));
  }
  RESTKV_RETURN_IF_ERROR(sample.warm_up());
  RESTKV_ASSIGN_OR_RETURN(results[0], sample.dense());
  return results;
}

}  // namespace restkv::bench
