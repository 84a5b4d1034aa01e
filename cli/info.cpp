#include "cli/info.h"

#include <cstdio>
#include <iostream>
#include <memory>

#include "cli/flags.h"
#include "cli/runtime.h"
#include "engine/memory_plan.h"
#include "model/model.h"

namespace restkv::cli {
namespace {

struct InfoFlags {
  std::string path;
  int64_t n_ctx = 0;
  int64_t budget = 1024;
  bool json = false;
};

// What a prompt takes: the full cache from the shape alone, the rest as the engine plans it.
struct Memory {
  int64_t per_token, full, evicted;
  MemoryPlan plan;
};

Result<Memory> memory_of(const HParams& hp, int64_t n_ctx, int64_t budget) {
  CacheConfig config;
  config.budget = budget;
  RESTKV_ASSIGN_OR_RETURN(const auto plan, CachePlan::make(config));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options({}));
  const CachePlan* plans[] = {plan.get()};
  const int64_t per_token = int64_t{2} * 2 * hp.n_head_kv * hp.head_dim * hp.n_layer;
  return Memory{per_token, per_token * n_ctx, per_token * std::min(n_ctx, budget),
                plan_memory(hp, {n_ctx, 0, engine.kernels, engine.n_threads, {}}, plans)};
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

nlohmann::ordered_json to_json(const ModelFile& file, const Memory& memory, int64_t n_ctx,
                               int64_t budget) {
  const HParams& hp = file.hparams;
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
            {"kv_bytes_per_token", memory.per_token},
            {"kv_full_bytes", memory.full},
            {"kv_evicted_bytes", memory.evicted},
            {"kv_peak_bytes", memory.plan.kv_peak_bytes},
            {"hidden_bytes", memory.plan.hidden_bytes},
            {"work_bytes", memory.plan.work_bytes}}}};
}

void print_table(const ModelFile& file, const Memory& memory, int64_t n_ctx, int64_t budget) {
  const HParams& hp = file.hparams;
  const auto mib = [](size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
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
  std::printf("full cache     %.1f MiB (%lld bytes a token)\n", mib(memory.full),
              static_cast<long long>(memory.per_token));
  std::printf("budget %-7lld %.1f MiB, at most %.1f MiB while the prompt is read\n",
              static_cast<long long>(budget), mib(memory.evicted), mib(memory.plan.kv_peak_bytes));
  std::printf("hidden states  %.1f MiB while the prompt is read\n", mib(memory.plan.hidden_bytes));
  std::printf("working space  %.1f MiB while the prompt is read\n", mib(memory.plan.work_bytes));
}

Status run(const InfoFlags& f) {
  ModelFlags model;
  model.path = f.path;
  RESTKV_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(model_path(model)));
  if (f.n_ctx < 0 || f.n_ctx > 1000000000) {
    return Status::usage("--ctx-size is " + std::to_string(f.n_ctx) + ", allowed: 0 to 1000000000");
  }
  const int64_t n_ctx = f.n_ctx > 0 ? f.n_ctx : file.hparams.n_ctx_train;
  RESTKV_ASSIGN_OR_RETURN(const Memory memory, memory_of(file.hparams, n_ctx, f.budget));
  if (f.json) {
    print_json(to_json(file, memory, n_ctx, f.budget));
  } else {
    print_table(file, memory, n_ctx, f.budget);
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
