#include <cstdio>
#include <memory>

#include "bench/kernels/peaks.h"
#include "bench/layer/layer.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "cli/prefill_flags.h"
#include "cli/runtime.h"
#include "sparse/pattern.h"

namespace restkv::cli {
namespace {

struct LayerFlags {
  BenchFlags bench;
  std::string shape = "mistral-7b", weights = "q4_0";
  std::vector<int64_t> contexts{4096, 16384};
  int n_step = 64;
  bool no_prefill = false;
  std::vector<std::string> attention{"dense"};
  PrefillAttention numbers;
};

constexpr Column kColumns[] = {
    {"context", "/context"},
    {"policy", "/policy"},
    {"entries", "/entries", 0},
    {"prefill, ms", "/prefill_ms", 0},
    {"eviction, ms", "/eviction_ms"},
    {"decode, ms", "/decode_ms", 2},
    {"of the bound, %", "/bound_share", 0, 100.0},
    {"full to this", "/full_to_policy", 2},
    {"K/V, MiB", "/bytes/kv", 1, kPerMiB},
    {"planted kept, %", "/recall", 1, 100.0},
    {"counts", "/counts"},
    {"prefill, s", "/all_layers/prefill_s", 1},
    {"decode, s/token", "/all_layers/decode_s", 3},
    {"peak, GiB", "/all_layers/peak_bytes", 2, kPerMiB / 1024},
    {"paper, s/token", "/paper/seconds_per_token", 3},
    {"paper, GB", "/paper/peak_gb", 2},
};

constexpr Column kPrefillColumns[] = {
    {"context", "/context"},
    {"prefill attention", "/prefill_attention"},
    {"prefill, ms", "/prefill_ms", 0},
    {"keys first, ms", "/keys_ms", 0},
    {"choosing, ms", "/choose_ms", 0},
    {"selecting, ms", "/select_ms", 0},
    {"dense to this", "/dense_to_this", 2},
    {"blocks, %", "/block_share", 1, 100.0},
    {"mass, %", "/mass", 1, 100.0},
    {"worst head, %", "/least_mass", 1, 100.0},
    {"all layers, s", "/all_layers_s", 1},
};

Json prefill_rows(const bench::LayerResult& result, uint32_t n_layer) {
  Json rows = Json::array();
  double dense_ms = 0;
  for (const bench::LayerPrefill& p : result.prefill) {
    if (p.attention.kind == PrefillAttention::Kind::dense) dense_ms = p.ms;
    rows.push_back({{"context", p.n_token},
                    {"prefill_attention", sparse::pattern_name(p.attention.kind)},
                    {"prefill_ms", p.ms},
                    {"keys_ms", p.keys_ms},
                    {"choose_ms", p.choose_ms},
                    {"select_ms", p.select_ms},
                    {"dense_to_this", dense_ms / p.ms},
                    {"block_share", p.share},
                    {"mass", p.mass},
                    {"least_mass", p.least_mass},
                    {"all_layers_s", p.ms * n_layer * 1e-3}});
  }
  return rows;
}

Json to_row(const bench::LayerRow& r) {
  Json row{
      {"context", r.n_token},
      {"policy", r.policy},
      {"entries", r.entries},
      {"planned", r.planned},
      {"eviction_ms", to_json(r.eviction_ms)},
      {"decode_ms", to_json(r.decode_ms)},
      {"bound_ms", r.bound_ms},
      {"bound_share", r.bound_ms / r.decode_ms.median},
      {"full_to_policy", to_json(r.full_to_policy)},
      {"bytes", {{"weights", r.weight_bytes}, {"kv", r.kv_bytes}, {"kv_full", r.kv_full_bytes}}},
      {"recall", r.recall},
      {"counts", r.counts},
      {"all_layers", {{"decode_s", r.decode_s}, {"peak_bytes", r.peak_bytes}}}};
  if (r.prefill_ms > 0) {
    row["prefill_ms"] = r.prefill_ms;
    row["all_layers"]["prefill_s"] = r.prefill_s;
  }
  if (r.paper) {
    row["paper"] = {{"seconds_per_token", r.paper->seconds_per_token},
                    {"peak_gb", r.paper->peak_gb},
                    {"out_of_memory", r.paper->out_of_memory}};
  }
  return row;
}

Json notes_of(const LayerFlags& f, const bench::LayerResult& result, double read_gb_per_s) {
  char text[512];
  std::snprintf(
      text, sizeof text,
      "%s, %s weights, threads %d, budget %lld; random weights, synthetic K/V. Columns up "
      "to \"counts\" are one layer, measured on %d; dense prefill from sampled chunks. The "
      "bound is bytes at %.1f GB/s.",
      f.shape.c_str(), f.weights.c_str(), f.bench.model.n_threads,
      static_cast<long long>(f.bench.kv.config.budget), result.n_measured_layer, read_gb_per_s);
  Json notes = Json::array({text});
  notes.push_back("Behind it: all layers, EXTRAPOLATED; the output head is not in it.");
  if (f.shape == "mistral-7b") {
    notes.push_back(
        "The paper's figures (arXiv 2605.08840, efficiency) are of one GPU with fp16 weights.");
  }
  for (const std::string& note : result.notes)
    notes.push_back(note);
  return notes;
}

Result<bench::LayerScenario> scenario_of(const LayerFlags& f) {
  RESTKV_RETURN_IF_ERROR(check_repeat(f.bench));
  for (const int64_t n : f.contexts)
    RESTKV_RETURN_IF_ERROR(check_range("--ctx", n, 512, 1 << 20));
  RESTKV_RETURN_IF_ERROR(check_range("--n-predict", f.n_step, 1, 1 << 16));
  RESTKV_ASSIGN_OR_RETURN(const bench::LayerShape shape, bench::find_shape(f.shape));
  RESTKV_ASSIGN_OR_RETURN(const ggml_type type,
                          choose<ggml_type>("--weights", f.weights,
                                            {{"q4_0", GGML_TYPE_Q4_0}, {"q8_0", GGML_TYPE_Q8_0}}));
  if (f.bench.kv.budget_mib) return Status::usage("--kv-budget-mib needs a model, here is none");
  bench::LayerScenario scenario{.shape = shape, .weights = type, .contexts = f.contexts};
  RESTKV_ASSIGN_OR_RETURN(scenario.configs, configs_of(f.bench));
  scenario.n_threads = f.bench.model.n_threads;
  scenario.n_repeat = f.bench.n_repeat;
  scenario.n_step = f.n_step;
  scenario.prefill = !f.no_prefill;
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.bench.model));
  for (const std::string& name : f.attention) {
    RESTKV_ASSIGN_OR_RETURN(const PrefillAttention attention,
                            prefill_attention({name, f.numbers}, engine.kernels));
    if (attention.kind != PrefillAttention::Kind::dense) scenario.sparse.push_back(attention);
  }
  return scenario;
}

Status run(LayerFlags f) {
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.bench.model));
  f.bench.model.n_threads = engine.n_threads;
  RESTKV_ASSIGN_OR_RETURN(bench::LayerScenario scenario, scenario_of(f));
  Json document = begin_document("layer", f.bench);
  ProgressLine progress;
  progress.show("the machine's peaks");
  const bench::MachinePeaks peaks = bench::measure_peaks(engine.n_threads);
  scenario.read_gb_per_s = peaks.read_n;
  scenario.kernels = engine.kernels;
  scenario.on_step = [&](const std::string& what) { progress.show(what); };
  RESTKV_ASSIGN_OR_RETURN(const bench::LayerResult result, bench::run_layer(scenario));
  progress.clear();
  document["shape"] = f.shape;
  document["weights"] = f.weights;
  document["kernels"] = f.bench.model.kernels;
  document["n_layer"] = scenario.shape.n_layer;
  document["measured_layers"] = result.n_measured_layer;
  document["read_gb_per_second"] = peaks.read_n;
  document["notes"] = notes_of(f, result, peaks.read_n);
  for (const bench::LayerRow& row : result.rows)
    document["rows"].push_back(to_row(row));
  if (!result.prefill.empty()) document["prefill"] = prefill_rows(result, scenario.shape.n_layer);
  const Table tables[] = {{"rows", kColumns}, {"prefill", kPrefillColumns}};
  return print_report(document, tables, f.bench.json);
}

std::string shape_names() {
  std::string names;
  for (const bench::LayerShape& shape : bench::layer_shapes())
    names += (names.empty() ? "" : ", ") + std::string(shape.name);
  return names;
}

}  // namespace

void register_bench_layer(CLI::App& bench, int* exit_code) {
  CLI::App* command =
      bench.add_subcommand("layer", "one layer of a larger model's shape at long contexts");
  auto flags = std::make_shared<LayerFlags>();
  add_flag_value(*command, "--shape", flags->shape, shape_names());
  add_counts(*command, "--ctx", flags->contexts, "context lengths, apart by commas");
  add_flag_value(*command, "--weights", flags->weights, "q4_0 or q8_0");
  add_flag_value(*command, "-n,--n-predict", flags->n_step, "tokens decoded in a repetition");
  command->add_flag("--no-prefill", flags->no_prefill, "leave the sampled prefill out");
  command
      ->add_option("--prefill-attention", flags->attention,
                   "beside dense: flex, minference, a-shape, apart by commas")
      ->delimiter(',')
      ->capture_default_str();
  add_prefill_numbers(*command, flags->numbers);
  add_flag_value(*command, "-t,--threads", flags->bench.model.n_threads,
                 "threads, 0: one for each core");
  add_kernels_flag(*command, flags->bench.model);
  add_policies_flag(*command, flags->bench);
  add_report_flags(*command, flags->bench);
  add_kv_flags(*command, flags->bench.kv);
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
