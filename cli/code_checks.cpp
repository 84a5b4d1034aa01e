#include "cli/code_checks.h"

#include <filesystem>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "cli/flags.h"
#include "tasks/repository_samples.h"

namespace restkv::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxCpu_s = 3600, kMaxMemory_mib = 1 << 20;
constexpr int kWallPerCpu = 6;
constexpr const char* kScript = "check_humaneval.py";
constexpr const char* kProblems = "HumanEval.jsonl";

// The first of the folders' files that is there; empty: none.
std::string find_file(const std::vector<fs::path>& places) {
  std::error_code ignored;
  for (const fs::path& place : places)
    if (fs::exists(place, ignored)) return place.string();
  return {};
}

fs::path program_folder() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;)
    words.push_back(word);
  return words;
}

Result<std::vector<std::string>> default_command() {
  const fs::path folder = program_folder(), above = folder.parent_path();
  const std::string script =
      find_file({folder / kScript, above / "scripts" / kScript, above / "share/restkv" / kScript,
                 fs::path("scripts") / kScript});
  if (script.empty()) {
    return Status::model(std::string("cannot find ") + kScript + " beside " + folder.string() +
                         "; --checker names the command that runs it");
  }
  const std::string own = find_file({above / ".deps/venv/bin/python3", ".deps/venv/bin/python3"});
  return std::vector<std::string>{own.empty() ? "python3" : own, script};
}

Status check_number(const char* flag, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return {};
  return Status::usage(std::string(flag) + " is " + std::to_string(value) + ", allowed: 1 to " +
                       std::to_string(most));
}

// Programs are run once: several variants often write the same one. Kept for one sample at a time.
class Programs {
 public:
  explicit Programs(ProgramChecker checker) : checker_(std::move(checker)) {}

  Result<ProgramOutcome> check(const std::string& sample, const std::string& program) {
    if (sample != sample_) known_.clear();
    sample_ = sample;
    const auto found = known_.find(program);
    if (found != known_.end()) return found->second;
    RESTKV_ASSIGN_OR_RETURN(ProgramOutcome outcome, check_program(checker_, program));
    return known_.emplace(program, std::move(outcome)).first->second;
  }

 private:
  ProgramChecker checker_;
  std::string sample_;
  std::map<std::string, ProgramOutcome> known_;
};

SampleScore score_of(const ProgramOutcome& outcome) {
  SampleScore score;
  score.value = outcome.passed() ? 1 : 0;
  score.others["result"] = outcome.result;
  return score;
}

}  // namespace

void add_check_flags(CLI::App& app, CheckFlags& flags) {
  constexpr const char* kGroup = "execution";
  app.add_flag("--allow-code-execution", flags.allowed,
               "run what the model writes; required, since no one has read it before")
      ->group(kGroup);
  app.add_option("--checker", flags.checker,
                 "command that runs a program apart (default: scripts/check_humaneval.py)")
      ->group(kGroup);
  add_flag_value(app, "--check-seconds", flags.cpu_s,
                 "CPU time of a program; it may take six times as long by the clock")
      ->group(kGroup);
  add_flag_value(app, "--check-mib", flags.memory_mib, "memory of a program")->group(kGroup);
}

Result<ProgramChecker> program_checker(const CheckFlags& flags) {
  if (!flags.allowed) {
    return Status::usage(
        "--allow-code-execution is missing: code that the model writes is executed, in a process "
        "of its own with limits, but as the user who runs restkv");
  }
  RESTKV_RETURN_IF_ERROR(check_number("--check-seconds", flags.cpu_s, kMaxCpu_s));
  RESTKV_RETURN_IF_ERROR(check_number("--check-mib", flags.memory_mib, kMaxMemory_mib));
  ProgramChecker checker;
  checker.cpu_s = static_cast<int>(flags.cpu_s);
  checker.wall_s = kWallPerCpu * checker.cpu_s;
  checker.memory_mib = static_cast<int>(flags.memory_mib);
  if (flags.checker.empty()) {
    RESTKV_ASSIGN_OR_RETURN(checker.command, default_command());
    return checker;
  }
  checker.command = words_of(flags.checker);
  if (checker.command.empty()) return Status::usage("--checker is blank, it must name a command");
  return checker;
}

Result<std::string> default_problems() {
  const fs::path beside = program_folder().parent_path() / ".deps" / kProblems;
  const std::string path = find_file({beside, fs::path(".deps") / kProblems});
  if (!path.empty()) return path;
  return Status::model("there is no " + beside.string() +
                       ": run scripts/get-humaneval.sh, or name a file with --problems");
}

Measure check_answers(ProgramChecker checker, std::shared_ptr<const CodeProblems> problems) {
  auto programs = std::make_shared<Programs>(std::move(checker));
  return generate_and_score([=](const std::string&, const Sample& sample,
                                const std::string& answer) -> Result<SampleScore> {
    const CodeProblem* const problem = problems->find(sample.id);
    if (problem == nullptr) return Status::model("there is no problem " + sample.id);
    RESTKV_ASSIGN_OR_RETURN(const ProgramOutcome outcome,
                            programs->check(sample.id, humaneval_program(*problem, answer)));
    return score_of(outcome);
  });
}

Measure check_conversations(ProgramChecker checker, PromptStyle style) {
  auto programs = std::make_shared<Programs>(std::move(checker));
  const bool chat = style == PromptStyle::chat;
  const auto score = [=](const Sample& sample, size_t turn,
                         const std::string& answer) -> Result<SampleScore> {
    const auto field = [&](const char* name) { return sample.fields[name].get<std::string>(); };
    SampleScore result;
    if (turn == 0) result.value = names_path(answer, field("path")) ? 1 : 0;
    if (turn == 1) result.value = names_signature(answer, field("signature")) ? 1 : 0;
    if (turn < 2) return result;
    RESTKV_ASSIGN_OR_RETURN(
        const ProgramOutcome outcome,
        programs->check(sample.id + field("test"), answer + "\n\n\n" + field("test")));
    return score_of(outcome);
  };
  return converse({.style = style,
                   .turns = [=](const Sample& sample) { return repository_turns(sample, chat); },
                   .score = score});
}

}  // namespace restkv::cli
