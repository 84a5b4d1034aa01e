#include "cli/prefill_flags.h"

#include "cli/flags.h"
#include "sparse/pattern.h"

namespace restkv::cli {
namespace {

constexpr const char* kGroup = "Attention of the prompt";

}  // namespace

void add_prefill_flags(CLI::App& app, PrefillFlags& flags) {
  add_flag_value(app, "--prefill-attention", flags.kind, "dense, flex, minference, a-shape")
      ->group(kGroup);
  add_prefill_numbers(app, flags.attention);
}

void add_prefill_numbers(CLI::App& app, PrefillAttention& attention) {
  const auto add = [&](const char* name, auto& value, const std::string& help) {
    add_flag_value(app, name, value, help)->group(kGroup);
  };
  add("--prefill-gamma", attention.gamma, "flex: attention that the computed blocks are to cover");
  add("--prefill-tau", attention.tau,
      "flex: a head whose estimate is closer than this follows its queries; 0: none, 1: all");
  add("--prefill-min-budget", attention.min_budget, "flex: columns, and diagonals, at least");
  add("--prefill-vertical", attention.n_vertical, "minference: columns, in tokens");
  add("--prefill-slash", attention.n_slash, "minference: diagonals, in tokens");
  add("--prefill-sink", attention.n_sink, "a-shape: first tokens that all queries see");
  add("--prefill-local", attention.n_local, "a-shape: tokens before a query that it sees");
}

Result<PrefillAttention> with_kind(const PrefillAttention& attention, const std::string& kind) {
  using Kind = PrefillAttention::Kind;
  PrefillAttention chosen = attention;
  RESTKV_ASSIGN_OR_RETURN(chosen.kind, choose<Kind>("--prefill-attention", kind,
                                                    {{"dense", Kind::dense},
                                                     {"flex", Kind::flex},
                                                     {"minference", Kind::minference},
                                                     {"a-shape", Kind::a_shape}}));
  RESTKV_RETURN_IF_ERROR(sparse::check(chosen));
  return chosen;
}

Result<PrefillAttention> prefill_attention(const PrefillFlags& flags, Kernels kernels) {
  RESTKV_ASSIGN_OR_RETURN(const PrefillAttention chosen, with_kind(flags.attention, flags.kind));
  if (kernels == Kernels::ggml && chosen.kind != PrefillAttention::Kind::dense) {
    return Status::usage("--prefill-attention is \"" + flags.kind +
                         "\", with --kernels ggml it must be dense");
  }
  return chosen;
}

nlohmann::ordered_json describe(const PrefillAttention& attention,
                                const sparse::BlockCount& blocks) {
  return {{"kind", sparse::pattern_name(attention.kind)},
          {"blocks_computed", blocks.computed},
          {"blocks_causal", blocks.causal},
          {"share", blocks.share()}};
}

}  // namespace restkv::cli
