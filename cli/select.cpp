#include "cli/select.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/flags.h"
#include "cli/golden_select.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct SelectOptions {
  std::string path;
  bool json = false;
};

void print_json(const GoldenCase& c, const GoldenSelection& selection) {
  nlohmann::ordered_json document;
  document["policy"] = c.policy;
  document["indices"] = selection.indices;
  if (!selection.indices_kv.empty()) document["indices_kv"] = selection.indices_kv;
  if (!selection.scores.empty()) document["scores"] = selection.scores;
  if (!selection.v_merged.empty()) document["v_merged"] = selection.v_merged;
  if (!selection.kernel.empty()) {
    document["kernel"] = selection.kernel;
    document["shift"] = selection.shift;
  }
  std::cout << document.dump() << '\n';
}

const char* unit_name(const GoldenCase& c) {
  if (c.unit == GoldenUnit::layer) return "layer, all heads alike";
  if (c.unit == GoldenUnit::every_layer) return "layer";
  return c.per_kv_head() ? "KV head" : "query head";
}

void print_table(const GoldenCase& c, const GoldenSelection& selection) {
  const bool has_kernels = !selection.kernel.empty() && !c.per_kv_head();
  std::cout << c.policy << ": " << c.length << " entries, budget " << c.budget << ", window "
            << c.window << ", per " << unit_name(c) << '\n'
            << (c.unit == GoldenUnit::head ? " head" : "layer")
            << "  kept  of the past  first  last" << (has_kernels ? "  kernel  shift" : "") << '\n';
  for (size_t h = 0; h < selection.indices.size(); ++h) {
    const std::vector<int32_t>& kept = selection.indices[h];
    const auto n_past = std::count_if(
        kept.begin(), kept.end(), [&](int32_t position) { return position < c.length - c.window; });
    std::cout << std::setw(5) << h << std::setw(6) << kept.size() << std::setw(13) << n_past
              << std::setw(7) << kept.front() << std::setw(6) << kept.back();
    if (has_kernels) {
      std::cout << std::setw(8) << selection.kernel[h] << std::setw(7) << selection.shift[h];
    }
    std::cout << '\n';
  }
}

Status run_select(const SelectOptions& options) {
  RESTKV_ASSIGN_OR_RETURN(const GoldenFile file, GoldenFile::open(options.path));
  RESTKV_ASSIGN_OR_RETURN(const GoldenCase c, read_golden_case(file));
  RESTKV_ASSIGN_OR_RETURN(const GoldenSelection selection, run_golden_case(c));
  options.json ? print_json(c, selection) : print_table(c, selection);
  return flush_output();
}

}  // namespace

void register_select(CLI::App& app, int* exit_code) {
  auto options = std::make_shared<SelectOptions>();
  CLI::App* command = app.add_subcommand("select", "Run a policy on saved tensors (GGUF)");
  command->add_option("file", options->path, "saved tensors")->required();
  command->add_flag("--json", options->json, "one JSON document on stdout");
  finish_options(*command);
  command->callback([options, exit_code] {
    const Status status = run_select(*options);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
