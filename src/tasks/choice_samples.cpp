#include "tasks/choice_samples.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tasks/record_file.h"

namespace restkv {
namespace {

using nlohmann::json;

struct Question {
  std::string text;                  // of the prompt
  std::vector<std::string> options;  // as they follow the prompt
  int64_t right = 0;
};

Result<std::vector<std::string>> texts_of(const json& list, const char* name) {
  std::vector<std::string> texts;
  if (list.is_array()) {
    for (const json& item : list)
      if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  if (texts.empty() || texts.size() != list.size())
    return Status::model(std::string("\"") + name + "\" is no list of strings");
  return texts;
}

// Which of the labels an answer names; texts are labels too.
Result<int64_t> find_answer(const json& answer, const std::vector<std::string>& labels,
                            const std::vector<std::string>& texts) {
  const auto n = static_cast<int64_t>(texts.size());
  if (answer.is_number_integer()) {
    const auto i = answer.get<int64_t>();
    if (i >= 0 && i < n) return i;
    return Status::model("\"answer\" is " + answer.dump() + ", allowed: 0 to " +
                         std::to_string(n - 1));
  }
  if (!answer.is_string()) return Status::model("\"answer\" is neither a string nor a number");
  for (const auto* names : {&labels, &texts}) {
    const auto found = std::ranges::find(*names, answer.get<std::string>());
    if (found != names->end()) return found - names->begin();
  }
  return Status::model("\"answer\" is " + answer.dump() + ", which is none of the choices");
}

std::vector<std::string> letters(size_t n) {
  std::vector<std::string> names;
  for (size_t i = 0; i < n; ++i)
    names.emplace_back(1, static_cast<char>('A' + i % 26));
  return names;
}

Status check_several(size_t n) {
  if (n >= 2) return {};
  return Status::model("the question has " + std::to_string(n) +
                       " choices, it must have at least 2");
}

Result<Question> plain_question(const json& record) {
  RESTKV_ASSIGN_OR_RETURN(const json* const text, get_field(record, {"question"}));
  if (!text->is_string()) return Status::model("\"question\" is no string");
  RESTKV_ASSIGN_OR_RETURN(const json* const choices, get_field(record, {"choices"}));
  const bool arc = choices->is_object() && choices->contains("text") && choices->contains("label");
  RESTKV_ASSIGN_OR_RETURN(const auto texts,
                          texts_of(arc ? (*choices)["text"] : *choices, "choices"));
  auto labels = letters(texts.size());
  if (arc) {
    RESTKV_ASSIGN_OR_RETURN(labels, texts_of((*choices)["label"], "label"));
    if (labels.size() != texts.size()) {
      return Status::model("the question has " + std::to_string(texts.size()) + " choices and " +
                           std::to_string(labels.size()) + " labels");
    }
  }
  RESTKV_RETURN_IF_ERROR(check_several(texts.size()));
  RESTKV_ASSIGN_OR_RETURN(const json* const answer, get_field(record, {"answer", "answerKey"}));
  Question question{.text = "Question: " + text->get<std::string>() + "\nAnswer:", .options = {}};
  RESTKV_ASSIGN_OR_RETURN(question.right, find_answer(*answer, labels, texts));
  for (const std::string& option : texts)
    question.options.push_back(" " + option);
  return question;
}

// The options are lines that begin with a letter in brackets; the answer is such a letter.
Result<Question> question_with_letters(const json& record) {
  RESTKV_ASSIGN_OR_RETURN(const std::string text, get_text(record, {"input"}));
  RESTKV_ASSIGN_OR_RETURN(const std::string target, get_text(record, {"target"}));
  std::vector<std::string> names;
  for (size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    if (begin + 2 < end && text[begin] == '(' && text[begin + 2] == ')')
      names.push_back(text.substr(begin, 3));
  }
  RESTKV_RETURN_IF_ERROR(check_several(names.size()));
  Question question{.text = "Question: " + text + "\nAnswer:", .options = {}};
  RESTKV_ASSIGN_OR_RETURN(question.right, find_answer(target, names, names));
  for (const std::string& name : names)
    question.options.push_back(" " + name);
  return question;
}

Result<Question> read_question(const json& record) {
  RESTKV_ASSIGN_OR_RETURN(Question question, record.contains("input")
                                                 ? question_with_letters(record)
                                                 : plain_question(record));
  if (record.contains("context")) {
    RESTKV_ASSIGN_OR_RETURN(const std::string context, get_text(record, {"context"}));
    question.text = context + "\n\n" + question.text;
  }
  return question;
}

class ChoiceSource : public SampleSource {
 public:
  explicit ChoiceSource(RecordFile records) : records_(std::move(records)) {}

  int64_t size() const override { return records_.size(); }
  int64_t n_skipped() const override { return records_.n_skipped(); }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_ASSIGN_OR_RETURN(const json record, records_.record(i));
    RESTKV_ASSIGN_OR_RETURN(const Question question, read_question(record));
    Sample sample;
    sample.id = std::to_string(records_.line_number(i) - 1);
    sample.prompt = question.text;
    sample.n_new = kOwnNewTokens;
    if (record.contains("id")) sample.fields["id"] = record["id"];
    sample.fields["options"] = question.options;
    sample.fields["label"] = question.right;
    return sample;
  }

 private:
  RecordFile records_;
};

}  // namespace

Result<std::unique_ptr<SampleSource>> choice_samples(const OwnSamples& options) {
  const auto check = [](const json& record) { return read_question(record).status(); };
  RESTKV_ASSIGN_OR_RETURN(RecordFile records,
                          RecordFile::open({options.path, options.skip_bad, check}));
  return std::unique_ptr<SampleSource>(std::make_unique<ChoiceSource>(std::move(records)));
}

}  // namespace restkv
