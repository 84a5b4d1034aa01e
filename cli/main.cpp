// restkv: long prompts on an ordinary machine, inside a fixed KV budget. One file a command.
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/bench.h"
#include "cli/chat.h"
#include "cli/eval.h"
#include "cli/generate.h"
#include "cli/info.h"
#include "cli/report.h"
#include "cli/runtime.h"
#include "cli/score.h"
#include "cli/select.h"
#include "cli/version.h"

namespace {

int run(int argc, char** argv) {
  using namespace restkv;
  CLI::App app("restkv: long prompts through GGUF models inside a fixed KV budget");
  app.set_version_flag("--version", std::string("restkv ") + cli::kVersion);
  app.require_subcommand(1);
  int exit_code = 0;
  cli::register_generate(app, &exit_code);
  cli::register_chat(app, &exit_code);
  cli::register_eval(app, &exit_code);
  cli::register_bench(app, &exit_code);
  cli::register_info(app, &exit_code);
  cli::register_select(app, &exit_code);
  cli::register_score(app, &exit_code);
  cli::register_report(app, &exit_code);
  cli::quiet_libraries();
  cli::install_signal_handlers();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return cli::report(Status::usage(std::string(error.what()) + "; see restkv --help"));
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  using restkv::Status;
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    return restkv::cli::report(Status::capacity("not enough memory"));
  } catch (const std::exception& error) {
    return restkv::cli::report(Status::runtime(error.what()));
  }
}
