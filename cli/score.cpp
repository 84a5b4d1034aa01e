#include "cli/score.h"

#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>

#include "cli/flags.h"
#include "cli/runtime.h"
#include "cli/score_cases.h"
#include "cli/score_folder.h"
#include "cli/score_task.h"

namespace restkv::cli {
namespace {

using nlohmann::ordered_json;

struct CaseFlags {
  JsonLinesOptions file;
  bool json = false;
};

struct TaskFlags {
  ScoreTaskOptions options;
  std::shared_ptr<const CaseFlags> before;  // what stands in front of the benchmark's name
  bool json = false;
};

void print_scores(const ordered_json& document, const std::string& indent) {
  for (const auto& [name, value] : document.items()) {
    if (value.is_object()) {
      std::cout << indent << name << '\n';
      print_scores(value, indent + "  ");
      continue;
    }
    std::cout << indent << std::left << std::setw(26) << name << ' '
              << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n';
  }
}

void print_folder(const ordered_json& document) {
  for (const ordered_json& task : document["tasks"]) {
    print_scores(task, "");
    std::cout << '\n';
  }
  print_scores(document["averages"], "");
  std::cout << std::left << std::setw(26) << "missing" << ' ' << document["missing"].dump() << '\n';
}

Status run_task(const TaskFlags& flags) {
  const CaseFlags& before = *flags.before;
  if (!before.file.path.empty() || before.file.skip_bad || before.json)
    return Status::usage(
        "--cases, --skip-bad and --json in front of a benchmark's name are of none");
  const ScoreTaskOptions& options = flags.options;
  std::error_code ignored;
  const bool folder = options.benchmark != Benchmark::niah &&
                      std::filesystem::is_directory(options.file.path, ignored);
  if (folder && !options.task.empty())
    return Status::usage("--task is \"" + options.task + "\", a folder is scored as a whole");
  if (folder && options.levenshtein)
    return Status::usage("--levenshtein is given, it is for one code set");
  if (!folder && options.task.empty())
    return Status::usage("--task is not given, it must name the task that the file belongs to");
  RESTKV_ASSIGN_OR_RETURN(const ordered_json document,
                          folder ? score_folder(options) : score_task(options));
  if (flags.json) {
    print_json(document);
  } else if (folder) {
    print_folder(document);
  } else {
    print_scores(document, "");
  }
  return flush_output();
}

void add_file_flags(CLI::App& app, JsonLinesOptions& file, bool& json) {
  app.add_flag("--skip-bad", file.skip_bad, "leave malformed lines out and count them");
  app.add_flag("--json", json, "one JSON document on stdout");
}

void register_task(CLI::App& score, std::shared_ptr<const CaseFlags> before, Benchmark benchmark,
                   int* exit_code) {
  auto flags = std::make_shared<TaskFlags>();
  flags->before = std::move(before);
  ScoreTaskOptions& options = flags->options;
  options.benchmark = benchmark;
  if (benchmark == Benchmark::niah) options.task = "niah";
  CLI::App* command = score.add_subcommand(
      benchmark_name(benchmark),
      benchmark == Benchmark::niah ? "score result lines"
                                   : "score result lines, or a folder with a <task>.jsonl a task");
  command->add_option("predictions", options.file.path, "result lines (JSON), - for standard input")
      ->required();
  if (benchmark != Benchmark::niah)
    command->add_option("--task", options.task, "the task that the file belongs to");
  if (benchmark == Benchmark::longbench) {
    command->add_flag("--levenshtein", options.levenshtein,
                      "code sets: the similarity of python-Levenshtein instead of difflib's");
  }
  add_file_flags(*command, options.file, flags->json);
  finish_options(*command);
  command->callback([flags, exit_code] {
    const Status status = run_task(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace

void register_score(CLI::App& app, int* exit_code) {
  CLI::App* score = app.add_subcommand("score", "the benchmarks' metrics on given predictions");
  score->require_subcommand(0, 1);
  auto flags = std::make_shared<CaseFlags>();
  score->add_option("--cases", flags->file.path, "recorded cases (JSON lines) to compute again");
  add_file_flags(*score, flags->file, flags->json);
  finish_options(*score);
  for (CLI::Option* option : score->get_options())
    option->envname("");  // what the environment sets is a benchmark's
  for (const Benchmark benchmark :
       {Benchmark::longbench, Benchmark::ruler, Benchmark::niah, Benchmark::infinitebench})
    register_task(*score, flags, benchmark, exit_code);
  score->callback([score, flags, exit_code] {
    if (!score->get_subcommands().empty()) return;  // which has run already, or will
    if (flags->file.path.empty()) {
      *exit_code = report(Status::usage(
          "score needs --cases FILE, or one of longbench, ruler, niah, infinitebench"));
      return;
    }
    const Result<int> code = run_score_cases(flags->file, flags->json);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
