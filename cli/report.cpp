#include "cli/report.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>

#include "cli/flags.h"
#include "cli/json_lines.h"
#include "cli/runtime.h"
#include "report/html.h"
#include "report/markdown.h"
#include "report/sections.h"

namespace restkv::cli {
namespace {

struct ReportFlags {
  std::vector<std::string> files;
  std::string html, markdown;  // paths; empty: not asked for
  bool json = false, skip_bad = false;
  std::vector<std::string> against;  // empty: what the options have
  report::ReportOptions options;
};

bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(a, ignored) ==
         std::filesystem::weakly_canonical(b, ignored);
}

// Behind blank lines, which are allowed there.
bool holds_json(const std::string& path) {
  std::error_code ignored;
  char first = 0;
  return std::filesystem::is_regular_file(path, ignored) && std::ifstream(path) >> first &&
         first == '{';
}

// What a report can replace: no results, as where the name of the page was forgotten.
Status check_output(const char* flag, const std::string& path) {
  if (path.empty()) return {};
  if (holds_json(path))
    return Status::usage(std::string(flag) + " is " + path + ", which holds JSON already");
  return check_writable(path);
}

Status check(const ReportFlags& flags) {
  constexpr size_t kMaxResample = 1000000;
  const size_t n_resample = flags.options.resampling.n_resample;
  if (n_resample < 1 || n_resample > kMaxResample) {
    return Status::usage("--resamples is " + std::to_string(n_resample) +
                         ", it must be from 1 to " + std::to_string(kMaxResample));
  }
  if (!flags.html.empty() && !flags.markdown.empty() && same_file(flags.html, flags.markdown))
    return Status::usage("--html and --markdown are both " + flags.html);
  RESTKV_RETURN_IF_ERROR(check_output("--html", flags.html));
  return check_output("--markdown", flags.markdown);
}

// --against names policies that there are results of.
Status check_against(const ReportFlags& flags, const report::Results& results) {
  std::set<std::string> known;
  for (const report::Section& section : results.sections) {
    for (const report::Series& series : section.series)
      known.insert(series.policy);
  }
  std::string names;
  for (const std::string& name : known)
    names.append(names.empty() ? "" : ", ").append(name);
  for (const std::string& policy : flags.against) {
    if (!known.contains(policy))
      return Status::usage("--against is \"" + policy + "\", the results are of: " + names);
  }
  return {};
}

Status no_results(const ReportFlags& flags, size_t n_skipped) {
  std::string message = "no result lines in " + input_name(flags.files.front());
  if (flags.files.size() > 1)
    message += " and " + std::to_string(flags.files.size() - 1) + " more files";
  if (n_skipped > 0) message += ", " + std::to_string(n_skipped) + " malformed lines skipped";
  return Status::model(message);
}

Result<report::Document> read_results(const ReportFlags& flags) {
  report::ResultLoader loader;
  size_t n_skipped = 0;
  for (const std::string& path : flags.files) {
    RESTKV_ASSIGN_OR_RETURN(
        const size_t skipped,
        for_each_json_line({path, flags.skip_bad},
                           [&](const nlohmann::json& line) { return loader.take(line); }));
    n_skipped += skipped;
  }
  const report::Results results = loader.finish();
  if (results.sections.empty()) return no_results(flags, n_skipped);
  RESTKV_RETURN_IF_ERROR(check_against(flags, results));
  report::ReportOptions options = flags.options;
  if (!flags.against.empty()) options.against = flags.against;
  return make_document(results, n_skipped, options);
}

nlohmann::ordered_json to_json(const report::Document& document) {
  nlohmann::ordered_json sections = nlohmann::ordered_json::array();
  for (const report::SectionPage& section : document.sections)
    sections.push_back(section.document);
  return {{"title", document.title},
          {"left_out", document.left_out},
          {"method", document.method},
          {"sections", std::move(sections)}};
}

Status run(const ReportFlags& flags) {
  RESTKV_RETURN_IF_ERROR(check(flags));
  RESTKV_ASSIGN_OR_RETURN(const report::Document document, read_results(flags));
  if (!flags.html.empty()) RESTKV_RETURN_IF_ERROR(write_file(flags.html, report::html(document)));
  if (!flags.markdown.empty())
    RESTKV_RETURN_IF_ERROR(write_file(flags.markdown, report::markdown(document)));
  if (flags.json) {
    print_json(to_json(document));
  } else if (flags.html.empty() && flags.markdown.empty()) {
    std::cout << report::markdown(document);
  }
  return flush_output();
}

}  // namespace

void register_report(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<ReportFlags>();
  report::ReportOptions& options = flags->options;
  CLI::App* command = app.add_subcommand("report", "tables and charts of evaluation results");
  command->add_option("files", flags->files, "result lines of restkv eval, - for standard input")
      ->required();
  command->add_option("--html", flags->html, "write a page that needs nothing else");
  command->add_option("--markdown", flags->markdown, "write Markdown; it goes to stdout otherwise");
  command->add_flag("--json", flags->json, "all estimates as one JSON document on stdout");
  command->add_flag("--skip-bad", flags->skip_bad, "leave malformed lines out and count them");
  add_flag_value(*command, "--title", options.title, "title of the page");
  add_flag_value(*command, "--seed", options.resampling.seed, "seed of the bootstrap");
  add_flag_value(*command, "--resamples", options.resampling.n_resample,
                 "resamples of the bootstrap");
  add_flag_value(*command, "--maps", options.n_map, "needle maps of a section at most");
  CLI::Option* against =
      command
          ->add_option("--against", flags->against,
                       "policy to compare with beside full (snapkv); may be repeated")
          ->allow_extra_args(false);
  finish_options(*command);
  against->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->callback([flags, exit_code] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
