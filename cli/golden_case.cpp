#include "cli/golden_case.h"

#include <algorithm>

#include "cli/golden_policies.h"
#include "model/gguf_check.h"

namespace restkv::cli {
namespace {

constexpr int64_t kMaxScores = int64_t{1} << 26;   // 64 heads over a million entries
constexpr int64_t kMaxFactors = int64_t{1} << 26;  // 1024 heads of width 256
constexpr int64_t kMaxSteps = int64_t{1} << 30;    // seconds of stepping through positions

Status too_large(const GoldenFile& file, const std::string& what, int64_t value, int64_t max) {
  return rejected_file(file.path(), what + " is " + std::to_string(value) +
                                        ", it must be at most " + std::to_string(max));
}

// A small file can still ask for the product of its axes in memory.
Status check_size(const GoldenFile& file, const GoldenCase& c) {
  const int64_t n_scores = int64_t{std::max(c.n_head, c.n_layer)} * c.length;
  if (n_scores > kMaxScores) {
    return too_large(file, "golden.n_head (or n_layer) times golden.length", n_scores, kMaxScores);
  }
  const int64_t n_factors = c.n_head * c.head_dim * c.head_dim;
  if (n_factors > kMaxFactors) {
    return too_large(file, "golden.n_head times golden.head_dim squared", n_factors, kMaxFactors);
  }
  if (c.n_decode > kMaxSteps / n_scores) {
    return too_large(file, "golden.n_decode", c.n_decode, kMaxSteps / n_scores);
  }
  return {};
}

Status read_heads(const GoldenFile& file, GoldenCase* c) {
  RESTKV_ASSIGN_OR_RETURN(const int64_t n_head, file.get_int("n_head", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(const int64_t n_head_kv, file.get_int("n_head_kv", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(c->head_dim, file.get_int("head_dim", 1, kMaxCount));
  RESTKV_ASSIGN_OR_RETURN(c->n_embd, file.get_int("n_embd", 1, kMaxCount));
  if (n_head % n_head_kv != 0) {
    return rejected_file(file.path(), "golden.n_head is " + std::to_string(n_head) +
                                          ", it must be a multiple of golden.n_head_kv, " +
                                          std::to_string(n_head_kv));
  }
  c->n_head = static_cast<int32_t>(n_head);
  c->n_head_kv = static_cast<int32_t>(n_head_kv);
  return {};
}

Status read_layer(const GoldenFile& file, GoldenCase* c) {
  if (file.has_key("n_layer")) {
    RESTKV_ASSIGN_OR_RETURN(const int64_t n_layer, file.get_int("n_layer", 1, kMaxCount));
    c->n_layer = static_cast<int32_t>(n_layer);
  }
  if (!file.has_key("layer")) return {};
  const int64_t last = file.has_key("n_layer") ? c->n_layer - 1 : kMaxCount - 1;
  RESTKV_ASSIGN_OR_RETURN(const int64_t layer, file.get_int("layer", 0, last));
  c->layer = static_cast<int32_t>(layer);
  c->n_layer = std::max(c->n_layer, c->layer + 1);
  return {};
}

Status read_shape(const GoldenFile& file, GoldenContent content, GoldenCase* c) {
  if (content != GoldenContent::positions) RESTKV_RETURN_IF_ERROR(read_heads(file, c));
  RESTKV_RETURN_IF_ERROR(read_layer(file, c));
  RESTKV_ASSIGN_OR_RETURN(c->length, file.get_int("length", 1, kMaxLength));
  if (content == GoldenContent::window || content == GoldenContent::all_queries) {
    RESTKV_ASSIGN_OR_RETURN(c->window, file.get_int("window", 1, kMaxLength));
  }
  RESTKV_ASSIGN_OR_RETURN(c->budget, file.get_int("budget", c->window + 1, kMaxLength));
  if (file.has_key("n_decode")) {
    RESTKV_ASSIGN_OR_RETURN(c->n_decode, file.get_int("n_decode", 0, c->length - 1));
  }
  const int64_t n_query[] = {c->window, c->length, 1 + c->n_decode, 1, 0};
  c->n_query = n_query[static_cast<size_t>(content)];
  return check_size(file, *c);
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

Status read_tensors(const GoldenFile& file, GoldenCase* c) {
  if (c->n_query == 0) return {};
  const int64_t d = c->head_dim;
  RESTKV_ASSIGN_OR_RETURN(c->q, file.read_f32("q", {d, c->n_query, c->n_head}));
  RESTKV_ASSIGN_OR_RETURN(c->k, file.read_f32("k", {d, c->length, c->n_head_kv}));
  RESTKV_ASSIGN_OR_RETURN(c->v, file.read_f32("v", {d, c->length, c->n_head_kv}));
  RESTKV_ASSIGN_OR_RETURN(c->wo, file.read_f32("wo", {c->n_head * d, c->n_embd, 1}));
  return {};
}

// The file's options are its content: a bad one rejects the file, not the command line.
Status check_policy(const GoldenFile& file, const GoldenCase& c) {
  const auto policy = make_policy(c.options);
  if (!policy.ok()) return rejected_file(file.path(), policy.status().message());
  const Status fits = (*policy)->check_budget(c.window, c.budget, c.n_layer);
  return fits.ok() ? Status() : rejected_file(file.path(), fits.message());
}

}  // namespace

Result<GoldenCase> read_golden_case(const GoldenFile& file) {
  GoldenCase c;
  RESTKV_ASSIGN_OR_RETURN(const GoldenPolicy* policy, find_golden_policy(file));
  c.policy = policy->name;
  RESTKV_RETURN_IF_ERROR(read_shape(file, policy->content, &c));
  RESTKV_RETURN_IF_ERROR(policy->read(file, &c));
  c.options.window = c.window;
  RESTKV_RETURN_IF_ERROR(read_granularity(file, &c));
  RESTKV_RETURN_IF_ERROR(check_policy(file, c));
  RESTKV_RETURN_IF_ERROR(read_tensors(file, &c));
  return c;
}

}  // namespace restkv::cli
