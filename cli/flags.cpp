#include "cli/flags.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <thread>

namespace restkv::cli {
namespace {

constexpr const char* kDefaultModel = "SmolLM2-135M-Instruct.Q4_1.gguf";

}  // namespace

void finish_options(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty() || option->get_lnames().front() == "help") continue;
    std::string variable = "RESTKV_";
    for (const char c : option->get_lnames().front()) {
      variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    option->envname(variable);
    if (option->get_expected_max() <= 1) option->take_last();
  }
}

void add_model_flags_but_kernels(CLI::App& app, ModelFlags& flags) {
  app.add_option("-m,--model", flags.path, "GGUF file (default: SmolLM2-135M)");
  add_flag_value(app, "-t,--threads", flags.n_threads, "threads, 0: one for each core");
}

void add_kernels_flag(CLI::App& app, ModelFlags& flags) {
  add_flag_value(app, "--kernels", flags.kernels,
                 "auto: our own kernels where they win; ggml: ggml's own, as libllama computes");
}

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  add_model_flags_but_kernels(app, flags);
  add_kernels_flag(app, flags);
}

std::string model_path(const ModelFlags& flags) {
  if (!flags.path.empty()) return flags.path;
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path beside = program.parent_path().parent_path() / ".deps/models" / kDefaultModel;
  if (fs::exists(beside, ignored)) return beside.string();
  return (fs::path(".deps/models") / kDefaultModel).string();
}

Result<EngineOptions> engine_options(const ModelFlags& flags) {
  EngineOptions options;
  if (flags.n_threads < 0 || flags.n_threads > 512) {
    return Status::usage("--threads is " + std::to_string(flags.n_threads) + ", allowed: 0 to 512");
  }
  options.n_threads = flags.n_threads > 0
                          ? flags.n_threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  RESTKV_ASSIGN_OR_RETURN(options.kernels,
                          choose<Kernels>("--kernels", flags.kernels,
                                          {{"auto", Kernels::automatic}, {"ggml", Kernels::ggml}}));
  return options;
}

}  // namespace restkv::cli
