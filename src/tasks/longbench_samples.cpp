#include "tasks/longbench_samples.h"

#include <unordered_set>

#include "scores/longbench.h"
#include "tasks/record_file.h"

namespace restkv {
namespace {

using nlohmann::json;

constexpr std::string_view kSamsum = "samsum";

// Records by their _id; by their place where that is missing or not the first of its name.
class Ids {
 public:
  void add(const json& record) {
    const json* const field = find_field(record, {"_id"});
    std::string id = field != nullptr && field->is_string() ? field->get<std::string>() : "";
    const auto place = static_cast<int64_t>(ids_.size());
    if (id.empty() || !seen_.insert(id).second) id = "record-" + std::to_string(place);
    ids_.push_back(std::move(id));
  }
  const std::string& at(int64_t i) const { return ids_[static_cast<size_t>(i)]; }

 private:
  std::vector<std::string> ids_;
  std::unordered_set<std::string> seen_;
};

Status check_record(const json& record) {
  RESTKV_RETURN_IF_ERROR(get_text(record, {"context"}).status());
  RESTKV_RETURN_IF_ERROR(get_text(record, {"input"}).status());
  RESTKV_RETURN_IF_ERROR(get_classes(record).status());
  const json* const length = find_field(record, {"length"});
  if (length != nullptr && !length->is_number_integer())
    return Status::model("field length is not a whole number");
  RESTKV_ASSIGN_OR_RETURN(const auto answers, get_texts(record, {"answers"}));
  if (answers.empty()) return Status::model("the list of answers is empty");
  return {};
}

class LongBenchRecords : public SampleSource {
 public:
  LongBenchRecords(const LongBenchTask& task, const PromptTemplate& text, bool chat,
                   RecordFile records, Ids ids)
      : task_(task), text_(text), chat_(chat), records_(std::move(records)), ids_(std::move(ids)) {}

  int64_t size() const override { return records_.size(); }
  int64_t n_skipped() const override { return records_.n_skipped(); }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_ASSIGN_OR_RETURN(const json record, records_.record(i));
    RESTKV_ASSIGN_OR_RETURN(const std::string context, get_text(record, {"context"}));
    RESTKV_ASSIGN_OR_RETURN(const std::string input, get_text(record, {"input"}));
    Sample sample;
    sample.id = ids_.at(i);
    const Places places = {{"context", context}, {"input", input}};
    sample.prompt = fill_places(text_.prompt, places);
    sample.answer_prefix = fill_places(text_.answer_prefix, places);
    sample.n_new = task_.n_new;
    sample.chat_wrap = task_.chat_wrap;
    sample.stop_at_newline = chat_ && task_.name == kSamsum;
    for (const char* const name :
         {"answers", "all_classes", "length", "dataset", "language", "_id"}) {
      if (record.contains(name)) sample.fields[name] = record[name];
    }
    return sample;
  }

 private:
  const LongBenchTask& task_;
  PromptTemplate text_;
  bool chat_;
  RecordFile records_;
  Ids ids_;
};

}  // namespace

Result<std::unique_ptr<SampleSource>> longbench_samples(const LongBenchSamples& options) {
  RESTKV_ASSIGN_OR_RETURN(const LongBenchTask* const task, find_longbench_task(options.task));
  if (options.e_form && !task->in_e)
    return Status::usage("the task is " + options.task + ", LongBench-E does not have it");
  const Prompts prompts =
      options.prompts != nullptr ? *options.prompts : Prompts::built_in(PromptSet::longbench);
  RESTKV_ASSIGN_OR_RETURN(const PromptTemplate text, prompts.find(options.task));
  RESTKV_ASSIGN_OR_RETURN(
      const std::string path,
      file_in_folder(options.data, options.task + (options.e_form ? "_e.jsonl" : ".jsonl")));
  Ids ids;
  const auto check = [&ids](const json& record) -> Status {
    RESTKV_RETURN_IF_ERROR(check_record(record));
    ids.add(record);
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(RecordFile records, RecordFile::open({path, options.skip_bad, check}));
  return std::unique_ptr<SampleSource>(std::make_unique<LongBenchRecords>(
      *task, text, options.chat, std::move(records), std::move(ids)));
}

}  // namespace restkv
