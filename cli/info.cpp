#include "cli/info.h"

#include <cstdio>
#include <iostream>
#include <memory>

#include "cli/flags.h"
#include "cli/runtime.h"
#include "model/model.h"

namespace restkv::cli {
namespace {

struct InfoFlags {
  std::string path;
  int64_t n_ctx = 0;
  int64_t budget = 1024;
  bool json = false;
};

// What K/V takes at a prompt length, from the shape alone.
struct KvMemory {
  int64_t per_token, full, one_layer, evicted, hidden;
};

KvMemory kv_memory(const HParams& hp, int64_t n_ctx, int64_t budget) {
  const int64_t layer_token = int64_t{2} * 2 * hp.n_head_kv * hp.head_dim;
  const int64_t kept = std::min(n_ctx, budget);
  return {layer_token * hp.n_layer, layer_token * hp.n_layer * n_ctx, layer_token * n_ctx,
          layer_token * hp.n_layer * kept, int64_t{4} * hp.n_embd * n_ctx};
}

const char* scaling_name(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::none:
      return "none";
    case RopeScaling::linear:
      return "linear";
    case RopeScaling::yarn:
      return "yarn";
  }
  return "?";
}

nlohmann::ordered_json to_json(const ModelFile& file, int64_t n_ctx, int64_t budget) {
  const HParams& hp = file.hparams;
  const KvMemory kv = kv_memory(hp, n_ctx, budget);
  return {{"path", file.path},
          {"name", file.name},
          {"family", file.family->arch},
          {"n_layer", hp.n_layer},
          {"n_embd", hp.n_embd},
          {"n_head", hp.n_head},
          {"n_head_kv", hp.n_head_kv},
          {"head_dim", hp.head_dim},
          {"n_ff", hp.n_ff},
          {"n_vocab", hp.n_vocab},
          {"n_ctx_train", hp.n_ctx_train},
          {"rope",
           {{"base", hp.rope_freq_base},
            {"scaling", scaling_name(hp.rope_scaling)},
            {"scale", hp.rope_freq_scale}}},
          {"weights", {{"types", file.weight_types}, {"bytes", file.weight_bytes}}},
          {"memory",
           {{"n_ctx", n_ctx},
            {"budget", budget},
            {"kv_bytes_per_token", kv.per_token},
            {"kv_full_bytes", kv.full},
            {"kv_evicted_bytes", kv.evicted},
            {"kv_peak_bytes", kv.evicted + kv.one_layer},
            {"hidden_bytes", kv.hidden}}}};
}

void print_table(const ModelFile& file, int64_t n_ctx, int64_t budget) {
  const HParams& hp = file.hparams;
  const KvMemory kv = kv_memory(hp, n_ctx, budget);
  const auto mib = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::printf("model          %s\n", file.name.empty() ? file.path.c_str() : file.name.c_str());
  std::printf("family         %s (%s)\n", file.family->arch.data(), file.family->models.data());
  std::printf("layers         %u, n_embd %u, n_ff %u\n", hp.n_layer, hp.n_embd, hp.n_ff);
  std::printf("heads          %u query, %u KV, head_dim %u\n", hp.n_head, hp.n_head_kv,
              hp.head_dim);
  std::printf("vocabulary     %u tokens\n", hp.n_vocab);
  std::printf("trained on     %u tokens, RoPE base %g, scaling %s\n", hp.n_ctx_train,
              hp.rope_freq_base, scaling_name(hp.rope_scaling));
  std::printf("weights        %.1f MiB (%s)\n", mib(file.weight_bytes), file.weight_types.c_str());
  std::printf("\nK/V memory for a prompt of %lld tokens, f16\n", static_cast<long long>(n_ctx));
  std::printf("full cache     %.1f MiB (%lld bytes a token)\n", mib(kv.full),
              static_cast<long long>(kv.per_token));
  std::printf("budget %-7lld %.1f MiB, at most %.1f MiB while the prompt is read\n",
              static_cast<long long>(budget), mib(kv.evicted), mib(kv.evicted + kv.one_layer));
  std::printf("hidden states  %.1f MiB while the prompt is read\n", mib(kv.hidden));
}

Status run(const InfoFlags& f) {
  ModelFlags model;
  model.path = f.path;
  RESTKV_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(model_path(model)));
  if (f.n_ctx < 0 || f.n_ctx > 1000000000) {
    return Status::usage("--ctx-size is " + std::to_string(f.n_ctx) + ", allowed: 0 to 1000000000");
  }
  if (f.budget < 1) {
    return Status::capacity("--kv-budget is " + std::to_string(f.budget) +
                            ", it must be at least 1");
  }
  const int64_t n_ctx = f.n_ctx > 0 ? f.n_ctx : file.hparams.n_ctx_train;
  if (f.json) {
    print_json(to_json(file, n_ctx, f.budget));
  } else {
    print_table(file, n_ctx, f.budget);
  }
  return flush_output();
}

}  // namespace

void register_info(CLI::App& app, int* exit_code) {
  CLI::App* command = app.add_subcommand("info", "shape, family and memory of a model file");
  auto flags = std::make_shared<InfoFlags>();
  command->add_option("model,-m,--model", flags->path, "GGUF file (default: SmolLM2-135M)");
  add_flag_value(*command, "-c,--ctx-size", flags->n_ctx, "prompt length, 0: the trained context");
  add_flag_value(*command, "--kv-budget", flags->budget, "entries per cached head");
  command->add_flag("--json", flags->json, "JSON instead of a table");
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
