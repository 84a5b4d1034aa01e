#include "cli/bench_flags.h"

#include "cli/runtime.h"

namespace restkv::cli {

void add_report_flags(CLI::App& app, BenchFlags& flags) {
  add_flag_value(app, "--repeat", flags.n_repeat, "repetitions; medians are printed");
  app.add_flag("--json", flags.json, "JSON instead of a table");
}

void add_policies_flag(CLI::App& app, BenchFlags& flags) {
  app.add_option("--policies", flags.policies, "names, apart by commas (default: --kv-policy)")
      ->delimiter(',');
}

void add_bench_flags(CLI::App& app, BenchFlags& flags) {
  add_model_flags(app, flags.model);
  app.add_option("-f,--file", flags.file,
                 "text of the prompt, - for standard input (default: one of our own)");
  add_policies_flag(app, flags);
  add_report_flags(app, flags);
  add_kv_flags(app, flags.kv);
}

void add_counts(CLI::App& app, const std::string& name, std::vector<int64_t>& values,
                const std::string& help) {
  app.add_option(name, values, help)->delimiter(',')->capture_default_str();
}

Status check_counts(const std::string& name, const std::vector<int64_t>& values, int64_t least) {
  for (const int64_t n : values)
    RESTKV_RETURN_IF_ERROR(check_range(name, n, least, int64_t{1} << 24));
  return {};
}

Status check_repeat(const BenchFlags& flags) {
  return check_range("--repeat", flags.n_repeat, 1, 1000);
}

Result<std::vector<CacheConfig>> configs_of(const BenchFlags& f) {
  std::vector<CacheConfig> configs;
  if (pins_system(f.kv)) {
    return Status::usage("--kv-pin is \"system\", a plain text has no system part");
  }
  RESTKV_RETURN_IF_ERROR(cache_config(f.kv).status());
  const std::vector<std::string> alone{f.kv.config.policy.name};
  for (const std::string& name : f.policies.empty() ? alone : f.policies) {
    KvFlags kv = f.kv;
    kv.config.policy.name = name;
    RESTKV_ASSIGN_OR_RETURN(configs.emplace_back(), cache_config(kv));
    RESTKV_RETURN_IF_ERROR(CachePlan::make(configs.back()).status());
  }
  return configs;
}

Result<std::string> bench_text(const BenchFlags& f) {
  if (f.file.empty()) return std::string();
  RESTKV_ASSIGN_OR_RETURN(std::string text, read_text(f.file));
  if (text.empty()) return Status::usage("the text is empty, a prompt needs some");
  return text;
}

Result<Bench> open_bench(const BenchFlags& f, bool with_libllama) {
  RESTKV_RETURN_IF_ERROR(check_repeat(f));
  RESTKV_ASSIGN_OR_RETURN(std::vector<CacheConfig> configs, configs_of(f));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.model));
  RESTKV_ASSIGN_OR_RETURN(std::string text, bench_text(f));
  const std::string path = model_path(f.model);
  Bench bench;
  RESTKV_ASSIGN_OR_RETURN(bench.model, Model::load(path, {}, engine.kernels));
  RESTKV_ASSIGN_OR_RETURN(bench.compute,
                          Compute::create(engine.n_threads, nullptr, engine.kernels));
  if (with_libllama) {
    RESTKV_ASSIGN_OR_RETURN(bench.libllama, bench::Libllama::load(path, engine.n_threads));
  }
  for (CacheConfig& config : configs)
    RESTKV_RETURN_IF_ERROR(fit_budget(f.kv, bench.model->hparams(), &config));
  const auto progress = std::make_shared<ProgressLine>();
  bench.contest.reset(
      new bench::Contest{.model = *bench.model,
                         .compute = *bench.compute,
                         .libllama = bench.libllama.get(),
                         .text = std::move(text),
                         .configs = std::move(configs),
                         .n_repeat = f.n_repeat,
                         .on_step = [progress](const std::string& what) { progress->show(what); }});
  return bench;
}

}  // namespace restkv::cli
