#include "tasks/ruler_samples.h"

#include <filesystem>

#include "scores/ruler.h"
#include "tasks/generated_source.h"
#include "tasks/record_file.h"
#include "tasks/ruler_forms.h"

namespace restkv {
namespace {

using nlohmann::json;

class RulerRecords : public SampleSource {
 public:
  RulerRecords(RecordFile records, int n_new) : records_(std::move(records)), n_new_(n_new) {}

  int64_t size() const override { return records_.size(); }
  int64_t n_skipped() const override { return records_.n_skipped(); }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_ASSIGN_OR_RETURN(const json record, records_.record(i));
    Sample sample;
    // Not the record's index: newer files have the answer's place in characters there.
    sample.id = std::to_string(records_.line_number(i) - 1);
    RESTKV_ASSIGN_OR_RETURN(sample.prompt, get_text(record, {"input"}));
    if (find_field(record, {"answer_prefix"}) != nullptr) {
      RESTKV_ASSIGN_OR_RETURN(sample.answer_prefix, get_text(record, {"answer_prefix"}));
    }
    sample.n_new = n_new_;
    RESTKV_ASSIGN_OR_RETURN(const auto outputs, get_texts(record, {"outputs"}));
    sample.fields = {{"index", records_.line_number(i) - 1}, {"outputs", outputs}};
    return sample;
  }

 private:
  RecordFile records_;
  int n_new_;
};

Status check_record(const json& record) {
  RESTKV_RETURN_IF_ERROR(get_text(record, {"input"}).status());
  if (find_field(record, {"answer_prefix"}) != nullptr)
    RESTKV_RETURN_IF_ERROR(get_text(record, {"answer_prefix"}).status());
  RESTKV_ASSIGN_OR_RETURN(const auto outputs, get_texts(record, {"outputs"}));
  if (outputs.empty()) return Status::model("the list of outputs is empty");
  return {};
}

Result<std::unique_ptr<SampleSource>> read_records(const RulerSamples& options, int n_new) {
  RESTKV_ASSIGN_OR_RETURN(
      const std::string path,
      file_in_folder(options.data, std::to_string(options.length) + "/" + options.task + ".jsonl"));
  RESTKV_ASSIGN_OR_RETURN(RecordFile records,
                          RecordFile::open({path, options.skip_bad, check_record}));
  return std::unique_ptr<SampleSource>(std::make_unique<RulerRecords>(std::move(records), n_new));
}

// New tokens, by the task and the preset.
Result<int> limit_of(const RulerSamples& options) {
  if (options.task == kJsonWordsTask)
    return options.preset == RulerPreset::official ? kJsonWordsNewTokens : kRulerNewTokensReference;
  const Result<const RulerTask*> found = find_ruler_task(options.task);
  if (!found.ok())
    return Status::usage(found.status().message() + ", and " + std::string(kJsonWordsTask));
  const RulerTask* const task = *found;
  return options.preset == RulerPreset::official ? task->n_new_ruler : kRulerNewTokensReference;
}

Status check_qa_file(const std::string& task, const std::string& path) {
  if (!path.empty()) return {};
  return Status::usage("the task is " + task + ", it needs a file: " +
                       (task == "qa_1" ? "SQuAD's dev-v2.0.json"
                                       : "HotpotQA's "
                                         "hotpot_dev_distractor_v1.json"));
}

Result<RulerInputs> load_inputs(const RulerSamples& options, int n_new) {
  RulerInputs inputs{.task = options.task,
                     .fit = {options.length - options.n_template, n_new},
                     .tokens = options.tokens,
                     .seed = options.seed,
                     .n = options.n,
                     .prompts = options.prompts,
                     .haystack = options.haystack,
                     .words = options.words};
  if (inputs.prompts == nullptr)
    inputs.prompts = std::make_shared<const Prompts>(Prompts::built_in(PromptSet::ruler));
  if (inputs.haystack == nullptr && needs_haystack(options.task)) {
    RESTKV_ASSIGN_OR_RETURN(Haystack haystack, Haystack::load(""));
    inputs.haystack = std::make_shared<const Haystack>(std::move(haystack));
  }
  if (inputs.words == nullptr && needs_words(options.task)) {
    RESTKV_ASSIGN_OR_RETURN(WordLists words, load_word_lists(""));
    inputs.words = std::make_shared<const WordLists>(std::move(words));
  }
  if (options.task.starts_with("qa_")) {
    inputs.qa_file = options.task == "qa_1" ? options.squad : options.hotpot;
    RESTKV_RETURN_IF_ERROR(check_qa_file(options.task, inputs.qa_file));
  }
  return inputs;
}

Result<MakeForm> forms_of(const RulerInputs& inputs) {
  if (inputs.task == kJsonWordsTask) return json_words_forms(inputs);
  if (inputs.task == "vt") return variable_tracking_forms(inputs);
  if (inputs.task == "cwe") return common_words_forms(inputs);
  if (inputs.task == "fwe") return frequent_words_forms(inputs);
  if (inputs.task.starts_with("qa_")) return qa_forms(inputs);
  return needle_forms(inputs);
}

}  // namespace

Result<std::unique_ptr<SampleSource>> ruler_samples(const RulerSamples& options) {
  RESTKV_ASSIGN_OR_RETURN(const int n_new, limit_of(options));
  if (!options.data.empty()) return read_records(options, n_new);
  RESTKV_RETURN_IF_ERROR(
      check_generated({options.n, options.length, options.n_template, n_new}, options.tokens));
  RESTKV_ASSIGN_OR_RETURN(const RulerInputs inputs, load_inputs(options, n_new));
  RESTKV_ASSIGN_OR_RETURN(MakeForm make, forms_of(inputs));
  return generated_source({.task = options.task,
                           .n = options.n,
                           .seed = options.seed,
                           .fit = inputs.fit,
                           .tokens = options.tokens,
                           .make = std::move(make)});
}

}  // namespace restkv
