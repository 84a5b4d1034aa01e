#include "cli/golden_policies.h"

#include <array>
#include <charconv>
#include <string_view>

#include "model/gguf_check.h"

namespace restkv::cli {
namespace {

// A real that the published code had as a decimal: 0.1 in the file is the float nearest to it, and
// rounding to whole entries must start from 0.1 itself.
Result<double> get_decimal(const GoldenFile& file, const std::string& key, double min, double max) {
  RESTKV_ASSIGN_OR_RETURN(const double stored, file.get_real(key));
  if (!(stored >= min && stored <= max)) {
    return rejected_file(file.path(), "golden." + key + " is " + std::to_string(stored) +
                                          ", it must be from " + std::to_string(min) + " to " +
                                          std::to_string(max));
  }
  std::array<char, 64> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), static_cast<float>(stored));
  double decimal = stored;
  std::from_chars(text.data(), end.ptr, decimal);
  return decimal;
}

Status read_smoothing(const GoldenFile& file, PolicyOptions* options) {
  RESTKV_ASSIGN_OR_RETURN(options->kernel, file.get_int("kernel_size", 1, kMaxLength));
  RESTKV_ASSIGN_OR_RETURN(options->alpha, file.get_real("alpha"));
  RESTKV_ASSIGN_OR_RETURN(options->beta, file.get_real("beta"));
  RESTKV_ASSIGN_OR_RETURN(options->tau, file.get_real("tau"));
  return {};
}

Status read_pyramid(const GoldenFile& file, GoldenCase* c) {
  c->layer_budget.kind = LayerBudget::Kind::pyramid;
  RESTKV_ASSIGN_OR_RETURN(c->layer_budget.pyramid_beta,
                          get_decimal(file, "pyramid_beta", 1.0, 1e9));
  if (file.has_key("layer") && file.has_key("n_layer")) return {};
  return rejected_file(file.path(), "golden.layer or golden.n_layer is missing");
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
  if (!file.has_key("use_pyramid")) return {};
  RESTKV_ASSIGN_OR_RETURN(const bool use_pyramid, file.get_bool("use_pyramid"));
  return use_pyramid ? read_pyramid(file, c) : Status();
}

Status read_ablation(const GoldenFile& file, GoldenCase* c) {
  RESTKV_RETURN_IF_ERROR(read_smoothing(file, &c->options));
  RESTKV_ASSIGN_OR_RETURN(c->options.indicator, file.get_string("indicator"));
  RESTKV_ASSIGN_OR_RETURN(c->options.temporal, file.get_string("ts"));
  RESTKV_ASSIGN_OR_RETURN(c->options.spatial, file.get_string("ss"));
  c->options.name = "rest-kv";
  return {};
}

Status read_snapkv(const GoldenFile& file, GoldenCase* c) {
  c->options.name = "snapkv";
  RESTKV_ASSIGN_OR_RETURN(c->options.kernel, file.get_int("kernel_size", 1, kMaxLength));
  RESTKV_ASSIGN_OR_RETURN(c->options.spatial, file.get_string("pooling"));
  return {};
}

Status read_pyramidkv(const GoldenFile& file, GoldenCase* c) {
  RESTKV_RETURN_IF_ERROR(read_snapkv(file, c));
  return read_pyramid(file, c);
}

Status read_adakv(const GoldenFile& file, GoldenCase* c) {
  RESTKV_RETURN_IF_ERROR(read_snapkv(file, c));
  c->options.temporal = "mean";
  c->head_budget.kind = HeadBudget::Kind::ada;
  RESTKV_ASSIGN_OR_RETURN(c->head_budget.floor, get_decimal(file, "floor", 0.0, 1.0));
  RESTKV_ASSIGN_OR_RETURN(c->head_budget.normalise, file.get_bool("normalize"));
  return {};
}

Status read_headkv(const GoldenFile& file, GoldenCase* c) {
  RESTKV_RETURN_IF_ERROR(read_snapkv(file, c));
  c->options.temporal = "mean";
  c->head_budget.kind = HeadBudget::Kind::table;
  RESTKV_ASSIGN_OR_RETURN(const auto caps,
                          file.read_i32("head_capacity_table", {c->n_head, c->n_layer, 1}));
  for (auto row = caps.begin(); row != caps.end(); row += c->n_head) {
    for (auto cap = row; cap != row + c->n_head; ++cap) {
      if (*cap < 0) return rejected_file(file.path(), "head_capacity_table has a negative number");
    }
    c->head_budget.table.emplace_back(row, row + c->n_head);
  }
  return {};
}

Status read_h2o(const GoldenFile& file, GoldenCase* c) {
  (void)file;
  c->options.name = c->policy == "h2o_noncausal" ? "h2o-noncausal" : "h2o";
  c->stepwise = c->policy == "h2o_decode";
  return {};
}

Status read_cam(const GoldenFile& file, GoldenCase* c) {
  c->options.name = "cam";
  c->options.merge_threshold = 0.5;  // what replaces the draw in saved cases
  RESTKV_ASSIGN_OR_RETURN(c->options.start_ratio, get_decimal(file, "start_ratio", 0.0, 1.0));
  return {};
}

Status read_l2norm(const GoldenFile& file, GoldenCase* c) {
  (void)file;
  c->options.name = "l2norm";
  return {};
}

Status read_tova(const GoldenFile& file, GoldenCase* c) {
  (void)file;
  c->options.name = "tova";
  c->unit = GoldenUnit::layer;
  c->stepwise = true;
  return {};
}

Status read_streaming_llm(const GoldenFile& file, GoldenCase* c) {
  (void)file;
  c->options.name = "streaming-llm";
  c->options.n_sink = c->budget - c->window;
  return {};
}

Status read_streaming_decode(const GoldenFile& file, GoldenCase* c) {
  c->options.name = "streaming-llm";
  c->unit = GoldenUnit::layer;
  c->stepwise = true;
  RESTKV_ASSIGN_OR_RETURN(c->options.n_sink, file.get_int("start_size", 0, c->budget - 1));
  c->window = c->budget - c->options.n_sink;
  return {};
}

Status read_lacache(const GoldenFile& file, GoldenCase* c) {
  c->options.name = "lacache";
  c->unit = GoldenUnit::every_layer;
  c->stepwise = true;
  RESTKV_ASSIGN_OR_RETURN(c->options.n_sink, file.get_int("start_size", 0, kMaxLength));
  RESTKV_ASSIGN_OR_RETURN(c->options.span, file.get_int("span", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(c->options.overlap, file.get_int("overlap", 0, kMaxCount));
  return {};
}

constexpr std::array kPolicies = {
    GoldenPolicy{"restkv", GoldenContent::window, read_rest_kv},
    GoldenPolicy{"ablation", GoldenContent::window, read_ablation},
    GoldenPolicy{"snapkv", GoldenContent::window, read_snapkv},
    GoldenPolicy{"pyramidkv", GoldenContent::window, read_pyramidkv},
    GoldenPolicy{"adakv", GoldenContent::window, read_adakv},
    GoldenPolicy{"headkv", GoldenContent::window, read_headkv},
    GoldenPolicy{"cam", GoldenContent::window, read_cam},
    GoldenPolicy{"streamingllm", GoldenContent::window, read_streaming_llm},
    GoldenPolicy{"h2o", GoldenContent::all_queries, read_h2o},
    GoldenPolicy{"h2o_noncausal", GoldenContent::all_queries, read_h2o},
    GoldenPolicy{"h2o_decode", GoldenContent::all_queries, read_h2o},
    GoldenPolicy{"tova", GoldenContent::last_queries, read_tova},
    GoldenPolicy{"l2norm", GoldenContent::no_queries, read_l2norm},
    GoldenPolicy{"streaming_decode", GoldenContent::positions, read_streaming_decode},
    GoldenPolicy{"lacache", GoldenContent::positions, read_lacache},
};

}  // namespace

Result<const GoldenPolicy*> find_golden_policy(const GoldenFile& file) {
  RESTKV_ASSIGN_OR_RETURN(const std::string name, file.get_string("policy"));
  std::string known;
  for (const GoldenPolicy& policy : kPolicies) {
    if (policy.name == name) return &policy;
    known += (known.empty() ? "" : ", ") + std::string(policy.name);
  }
  return Status::usage(printable(file.path()) + ": golden.policy is '" + printable(name) +
                       "', select runs " + known);
}

}  // namespace restkv::cli
