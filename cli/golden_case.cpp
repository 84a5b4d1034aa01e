#include "cli/golden_case.h"

#include <array>
#include <string_view>

#include "model/gguf_check.h"

namespace restkv::cli {
namespace {

constexpr int64_t kMaxCount = 1 << 20;  // heads, layers, widths: far beyond any model
constexpr int64_t kMaxLength = INT32_MAX;
constexpr int64_t kMaxScores = int64_t{1} << 26;   // 64 heads over a million entries
constexpr int64_t kMaxFactors = int64_t{1} << 26;  // 1024 heads of width 256

// A small file can still ask for the product of its axes in memory.
Status check_size(const GoldenFile& file, const GoldenCase& c) {
  if (c.n_head * c.length > kMaxScores) {
    return rejected_file(file.path(), "golden.n_head times golden.length is " +
                                          std::to_string(c.n_head * c.length) +
                                          ", it must be at most " + std::to_string(kMaxScores));
  }
  if (c.n_head * c.head_dim * c.head_dim > kMaxFactors) {
    return rejected_file(file.path(), "golden.n_head times golden.head_dim squared is " +
                                          std::to_string(c.n_head * c.head_dim * c.head_dim) +
                                          ", it must be at most " + std::to_string(kMaxFactors));
  }
  return {};
}

Status read_shape(const GoldenFile& file, GoldenCase* c) {
  RESTKV_ASSIGN_OR_RETURN(const int64_t n_head, file.get_int("n_head", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(const int64_t n_head_kv, file.get_int("n_head_kv", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(c->head_dim, file.get_int("head_dim", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(c->n_embd, file.get_int("n_embd", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(c->length, file.get_int("length", 1, kMaxLength));
  RESTKV_ASSIGN_OR_RETURN(c->window, file.get_int("window", 1, kMaxLength));
  RESTKV_ASSIGN_OR_RETURN(c->budget, file.get_int("budget", c->window + 1, kMaxLength));
  if (n_head % n_head_kv != 0) {
    return rejected_file(file.path(), "golden.n_head is " + std::to_string(n_head) +
                                          ", it must be a multiple of golden.n_head_kv, " +
                                          std::to_string(n_head_kv));
  }
  c->n_head = static_cast<int32_t>(n_head);
  c->n_head_kv = static_cast<int32_t>(n_head_kv);
  return check_size(file, *c);
}

Status read_smoothing(const GoldenFile& file, PolicyOptions* options) {
  RESTKV_ASSIGN_OR_RETURN(options->kernel, file.get_int("kernel_size", 1, kMaxLength));
  RESTKV_ASSIGN_OR_RETURN(options->alpha, file.get_real("alpha"));
  RESTKV_ASSIGN_OR_RETURN(options->beta, file.get_real("beta"));
  RESTKV_ASSIGN_OR_RETURN(options->tau, file.get_real("tau"));
  return {};
}

Status read_rest_kv(const GoldenFile& file, GoldenCase* c) {
  PolicyOptions& options = c->options;
  options.name = "rest-kv";
  RESTKV_RETURN_IF_ERROR(read_smoothing(file, &options));
  RESTKV_ASSIGN_OR_RETURN(const std::string mode, file.get_string("mode"));
  if (mode != "before" && mode != "after") {
    return rejected_file(file.path(),
                         "golden.mode is '" + printable(mode) + "', it must be before or after");
  }
  options.mode_before = mode == "before";
  RESTKV_ASSIGN_OR_RETURN(options.use_projection, file.get_bool("use_wo"));
  RESTKV_ASSIGN_OR_RETURN(options.use_norm, file.get_bool("use_norm"));
  RESTKV_ASSIGN_OR_RETURN(const bool use_ema, file.get_bool("use_ema"));
  options.temporal = use_ema ? "ema" : "mean";
  RESTKV_ASSIGN_OR_RETURN(options.spatial, file.get_string("pooling"));
  return {};
}

Status read_ablation(const GoldenFile& file, GoldenCase* c) {
  c->options.name = "rest-kv";
  RESTKV_RETURN_IF_ERROR(read_smoothing(file, &c->options));
  RESTKV_ASSIGN_OR_RETURN(c->options.indicator, file.get_string("indicator"));
  RESTKV_ASSIGN_OR_RETURN(c->options.temporal, file.get_string("ts"));
  RESTKV_ASSIGN_OR_RETURN(c->options.spatial, file.get_string("ss"));
  return {};
}

Status read_snapkv(const GoldenFile& file, GoldenCase* c) {
  c->options.name = "snapkv";
  RESTKV_ASSIGN_OR_RETURN(c->options.kernel, file.get_int("kernel_size", 1, kMaxLength));
  RESTKV_ASSIGN_OR_RETURN(c->options.spatial, file.get_string("pooling"));
  return {};
}

Status read_streaming_llm(const GoldenFile& file, GoldenCase* c) {
  (void)file;
  c->options.name = "streaming-llm";
  c->options.n_sink = c->budget - c->window;
  return {};
}

struct Reader {
  std::string_view policy;
  Status (*read)(const GoldenFile& file, GoldenCase* c);
};
constexpr std::array kReaders = {
    Reader{"restkv", read_rest_kv},
    Reader{"ablation", read_ablation},
    Reader{"snapkv", read_snapkv},
    Reader{"streamingllm", read_streaming_llm},
};

Status read_policy(const GoldenFile& file, GoldenCase* c) {
  RESTKV_ASSIGN_OR_RETURN(c->policy, file.get_string("policy"));
  std::string known;
  for (const Reader& reader : kReaders)
    known += (known.empty() ? "" : ", ") + std::string(reader.policy);
  for (const Reader& reader : kReaders) {
    if (reader.policy != c->policy) continue;
    RESTKV_RETURN_IF_ERROR(read_shape(file, c));
    return reader.read(file, c);
  }
  return Status::usage(printable(file.path()) + ": golden.policy is '" + printable(c->policy) +
                       "', select runs " + known);
}

Status read_granularity(const GoldenFile& file, GoldenCase* c) {
  c->selection.granularity = Granularity::query_head;
  if (file.has_key("granularity")) {
    RESTKV_ASSIGN_OR_RETURN(const std::string granularity, file.get_string("granularity"));
    if (granularity != "kv_head" && granularity != "query_head") {
      return rejected_file(file.path(), "golden.granularity is '" + printable(granularity) +
                                            "', it must be kv_head or query_head");
    }
    if (granularity == "kv_head") c->selection.granularity = Granularity::kv_head;
  }
  if (!file.has_key("gqa_agg")) return {};
  RESTKV_ASSIGN_OR_RETURN(const std::string vote, file.get_string("gqa_agg"));
  if (vote != "mean" && vote != "max" && vote != "sum") {
    return rejected_file(
        file.path(), "golden.gqa_agg is '" + printable(vote) + "', it must be mean, max or sum");
  }
  if (vote == "max") c->selection.vote = GroupVote::max;
  if (vote == "sum") c->selection.vote = GroupVote::sum;
  return {};
}

Status read_layer(const GoldenFile& file, GoldenCase* c) {
  if (file.has_key("use_pyramid")) {
    RESTKV_ASSIGN_OR_RETURN(c->use_pyramid, file.get_bool("use_pyramid"));
  }
  if (!c->use_pyramid) return {};
  RESTKV_ASSIGN_OR_RETURN(const int64_t n_layer, file.get_int("n_layer", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(const int64_t layer, file.get_int("layer", 0, n_layer - 1));
  RESTKV_ASSIGN_OR_RETURN(c->pyramid_beta, file.get_real("pyramid_beta"));
  if (c->pyramid_beta < 1.0) {
    return rejected_file(file.path(), "golden.pyramid_beta is below 1");
  }
  c->n_layer = static_cast<int32_t>(n_layer);
  c->layer = static_cast<int32_t>(layer);
  return {};
}

Status read_tensors(const GoldenFile& file, GoldenCase* c) {
  const int64_t d = c->head_dim;
  RESTKV_ASSIGN_OR_RETURN(c->q, file.read_f32("q", {d, c->window, c->n_head}));
  RESTKV_ASSIGN_OR_RETURN(c->k, file.read_f32("k", {d, c->length, c->n_head_kv}));
  RESTKV_ASSIGN_OR_RETURN(c->v, file.read_f32("v", {d, c->length, c->n_head_kv}));
  RESTKV_ASSIGN_OR_RETURN(c->wo, file.read_f32("wo", {c->n_head * d, c->n_embd, 1}));
  return {};
}

}  // namespace

Result<GoldenCase> read_golden_case(const GoldenFile& file) {
  GoldenCase c;
  RESTKV_RETURN_IF_ERROR(read_policy(file, &c));
  c.options.window = c.window;
  RESTKV_RETURN_IF_ERROR(read_granularity(file, &c));
  RESTKV_RETURN_IF_ERROR(read_layer(file, &c));
  // The file's options are its content: a bad one rejects the file, not the command line.
  const auto policy = make_policy(c.options);
  if (!policy.ok()) return rejected_file(file.path(), policy.status().message());
  RESTKV_RETURN_IF_ERROR(read_tensors(file, &c));
  return c;
}

}  // namespace restkv::cli
