#include "cli/eval_merge.h"

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/runtime.h"
#include "eval/merge.h"

namespace restkv::cli {
namespace {

struct MergeFlags {
  std::string out;
  std::vector<std::string> files;
};

Status run(const MergeFlags& flags) {
  std::error_code ignored;
  if (std::filesystem::exists(flags.out, ignored))
    return Status::usage(flags.out + " exists already: merge writes a new file");
  RESTKV_ASSIGN_OR_RETURN(const MergedResults merged, merge_results(flags.files));
  RESTKV_RETURN_IF_ERROR(write_file(flags.out, merged.content));
  if (merged.n_missing > 0)
    warn(std::to_string(merged.n_missing) +
         " samples are missing: is a shard not here or not done?");
  if (merged.n_incomplete > 0)
    warn(std::to_string(merged.n_incomplete) + " samples lack variants: their run was stopped");
  std::cout << merged.n_line << " lines in " << flags.out;
  if (merged.n_repeated > 0) std::cout << ", " << merged.n_repeated << " were there twice";
  std::cout << std::endl;
  return flush_output();
}

}  // namespace

void register_eval_merge(CLI::App& eval, int* exit_code) {
  CLI::App* command =
      eval.add_subcommand("merge", "the result files of the shards of a run as one file");
  auto flags = std::make_shared<MergeFlags>();
  command->add_option("out", flags->out, "the file to write")->required();
  command->add_option("files", flags->files, "result files, in the order of their shards")
      ->required();
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
