#include "cli/bench.h"

#include <cstdio>
#include <memory>

#include "bench/eviction/eviction.h"
#include "cli/bench_patterns.h"
#include "cli/flags.h"
#include "cli/kv_flags.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct EvictionFlags {
  ModelFlags model;
  KvFlags kv;
  std::string file = "-";
  std::vector<int64_t> prompt_tokens{4096};
  std::vector<std::string> policies;  // empty: --kv-policy alone
  int n_repeat = 3;
  bool json = false;
};

void print(const EvictionFlags& f, const std::vector<bench::EvictionTime>& times) {
  if (!f.json) {
    std::printf(
        "| policy | prompt | entries | eviction, ms | min | max | of prefill |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (const bench::EvictionTime& t : times) {
      std::printf("| %s | %lld | %lld | %.1f | %.1f | %.1f | %.2f %% |\n", t.policy.c_str(),
                  static_cast<long long>(t.prompt_tokens), static_cast<long long>(t.entries),
                  t.eviction_ms, t.min_ms, t.max_ms, 100 * t.share());
    }
    return;
  }
  nlohmann::ordered_json document{{"repeat", f.n_repeat}, {"rows", nlohmann::json::array()}};
  for (const bench::EvictionTime& t : times) {
    document["rows"].push_back({{"policy", t.policy},
                                {"prompt_tokens", t.prompt_tokens},
                                {"entries", t.entries},
                                {"eviction_ms", t.eviction_ms},
                                {"min_ms", t.min_ms},
                                {"max_ms", t.max_ms},
                                {"prefill_ms", t.prefill_ms},
                                {"share", t.share()}});
  }
  print_json(document);
}

Status check(const EvictionFlags& f) {
  if (f.n_repeat < 1 || f.n_repeat > 1000) {
    return Status::usage("--repeat is " + std::to_string(f.n_repeat) + ", allowed: 1 to 1000");
  }
  for (const int64_t n : f.prompt_tokens) {
    if (n >= 1 && n <= (int64_t{1} << 24)) continue;
    return Status::usage("--prompt-tokens is " + std::to_string(n) + ", allowed: 1 to " +
                         std::to_string(int64_t{1} << 24));
  }
  return {};
}

// --policies: names, each with the other --kv flags as they are given.
Result<std::vector<CacheConfig>> configs_of(const EvictionFlags& f) {
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
    const std::optional<Schedule>& schedule = configs.back().schedule;
    if (schedule && schedule->kind == Schedule::Kind::chunk) {
      return Status::usage("--kv-schedule counts chunks, here all policies judge one reading");
    }
  }
  return configs;
}

Status run(const EvictionFlags& f) {
  RESTKV_RETURN_IF_ERROR(check(f));
  bench::EvictionScenario scenario;
  RESTKV_ASSIGN_OR_RETURN(scenario.configs, configs_of(f));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.model));
  RESTKV_ASSIGN_OR_RETURN(const std::string text, read_text(f.file));
  if (text.empty()) return Status::usage("the text is empty, a prompt needs some");
  RESTKV_ASSIGN_OR_RETURN(const auto model, Model::load(model_path(f.model)));
  RESTKV_ASSIGN_OR_RETURN(scenario.text, model->tokenizer().tokenize(text, true, false));
  for (CacheConfig& config : scenario.configs)
    RESTKV_RETURN_IF_ERROR(fit_budget(f.kv, model->hparams(), &config));
  scenario.prompt_tokens = f.prompt_tokens;
  scenario.n_repeat = f.n_repeat;
  RESTKV_ASSIGN_OR_RETURN(const auto compute, Compute::create(engine.n_threads, nullptr));
  RESTKV_ASSIGN_OR_RETURN(const auto times, bench::run_eviction(*model, *compute, scenario));
  print(f, times);
  return flush_output();
}

}  // namespace

void register_bench(CLI::App& app, int* exit_code) {
  CLI::App* bench = app.add_subcommand("bench", "measure speed");
  bench->require_subcommand(1);
  CLI::App* command = bench->add_subcommand("eviction", "what cutting the cache costs, by policy");
  auto flags = std::make_shared<EvictionFlags>();
  add_model_flags(*command, flags->model);
  add_flag_value(*command, "-f,--file", flags->file, "text of the prompt, - for standard input");
  command->add_option("--prompt-tokens", flags->prompt_tokens, "lengths, apart by commas")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--policies", flags->policies, "names, apart by commas (--kv-policy)")
      ->delimiter(',');
  add_flag_value(*command, "--repeat", flags->n_repeat, "repetitions; medians are printed");
  command->add_flag("--json", flags->json, "JSON instead of a table");
  add_kv_flags(*command, flags->kv);
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
  register_bench_patterns(*bench, exit_code);
}

}  // namespace restkv::cli
