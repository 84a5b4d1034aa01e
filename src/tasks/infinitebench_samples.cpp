#include "tasks/infinitebench_samples.h"

#include <algorithm>

#include "core/check.h"
#include "scores/infinitebench.h"
#include "tasks/generated_source.h"
#include "tasks/infinitebench_forms.h"
#include "tasks/infinitebench_prompt.h"
#include "tasks/record_file.h"

namespace restkv {
namespace {

using nlohmann::json;

class InfiniteBenchRecords : public SampleSource {
 public:
  InfiniteBenchRecords(std::string task, PromptTemplate text, int n_new, RecordFile records)
      : task_(std::move(task)),
        text_(std::move(text)),
        n_new_(n_new),
        records_(std::move(records)) {}

  int64_t size() const override { return records_.size(); }
  int64_t n_skipped() const override { return records_.n_skipped(); }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_ASSIGN_OR_RETURN(const json record, records_.record(i));
    Sample sample;
    sample.id = std::to_string(records_.line_number(i) - 1);
    RESTKV_ASSIGN_OR_RETURN(sample.prompt, infinitebench_prompt(task_, text_.prompt, record));
    sample.answer_prefix = text_.answer_prefix;
    sample.n_new = n_new_;
    RESTKV_ASSIGN_OR_RETURN(const json label, infinitebench_label(task_, record));
    if (record.contains("id")) sample.fields["id"] = record["id"];
    sample.fields["label"] = label;
    return sample;
  }

 private:
  std::string task_;
  PromptTemplate text_;
  int n_new_;
  RecordFile records_;
};

Result<std::unique_ptr<SampleSource>> read_records(const InfiniteBenchSamples& options,
                                                   const PromptTemplate& text, int n_new) {
  RESTKV_ASSIGN_OR_RETURN(const std::string path,
                          file_in_folder(options.data, options.task + ".jsonl"));
  const auto check = [&](const json& record) -> Status {
    RESTKV_RETURN_IF_ERROR(infinitebench_prompt(options.task, text.prompt, record).status());
    return infinitebench_label(options.task, record).status();
  };
  RESTKV_ASSIGN_OR_RETURN(RecordFile records, RecordFile::open({path, options.skip_bad, check}));
  return std::unique_ptr<SampleSource>(
      std::make_unique<InfiniteBenchRecords>(options.task, text, n_new, std::move(records)));
}

Result<std::unique_ptr<SampleSource>> generate(const InfiniteBenchSamples& options,
                                               const Prompts& prompts, const PromptTemplate& text,
                                               int n_new) {
  if (!infinitebench_can_generate(options.task)) {
    return Status::usage("the task is " + options.task +
                         ", it cannot be generated: give the folder of its file");
  }
  // math_calc asks for as many tokens as its answer has, which every sample says.
  const int least = options.task == "math_calc" ? 0 : n_new;
  RESTKV_RETURN_IF_ERROR(
      check_generated({options.n, options.length, options.n_template, least}, options.tokens));
  const FitOptions fit{options.length - options.n_template, n_new};
  MakeForm make = infinitebench_forms({.task = options.task,
                                       .text = text,
                                       .prompts = &prompts,
                                       .length = fit.limit,
                                       .max_new = n_new,
                                       .tokens = options.tokens});
  return generated_source({.task = options.task,
                           .n = options.n,
                           .seed = options.seed,
                           .fit = fit,
                           .tokens = options.tokens,
                           .make = std::move(make)});
}

}  // namespace

Result<std::unique_ptr<SampleSource>> infinitebench_samples(const InfiniteBenchSamples& options) {
  RESTKV_ASSIGN_OR_RETURN(const InfiniteBenchTask* const task,
                          find_infinitebench_task(options.task));
  const Prompts prompts =
      options.prompts != nullptr ? *options.prompts : Prompts::built_in(PromptSet::infinitebench);
  RESTKV_ASSIGN_OR_RETURN(const PromptTemplate text, prompts.find(options.task));
  const int n_new = options.preset == InfiniteBenchPreset::official ? task->n_new_official
                                                                    : task->n_new_reference;
  return options.data.empty() ? generate(options, prompts, text, n_new)
                              : read_records(options, text, n_new);
}

}  // namespace restkv
