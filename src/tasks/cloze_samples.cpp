#include "tasks/cloze_samples.h"

#include <utility>

#include "tasks/record_file.h"

namespace restkv {
namespace {

using nlohmann::json;

constexpr const char* kBlanks = " \t\r\n";

struct Parts {
  std::string before, target;
};

Result<Parts> split_last_word(const json& record) {
  RESTKV_ASSIGN_OR_RETURN(std::string text, get_text(record, {"text"}));
  text.resize(text.find_last_not_of(kBlanks) + 1);  // npos + 1 is 0
  const size_t blank = text.find_last_of(kBlanks);
  const size_t end = blank == std::string::npos ? blank : text.find_last_not_of(kBlanks, blank);
  if (end == std::string::npos) return Status::model("\"text\" has fewer than 2 words");
  return Parts{text.substr(0, end + 1), text.substr(end + 1)};
}

class ClozeSource : public SampleSource {
 public:
  explicit ClozeSource(RecordFile records) : records_(std::move(records)) {}

  int64_t size() const override { return records_.size(); }
  int64_t n_skipped() const override { return records_.n_skipped(); }

  Result<Sample> sample(int64_t i) const override {
    RESTKV_ASSIGN_OR_RETURN(const json record, records_.record(i));
    RESTKV_ASSIGN_OR_RETURN(const Parts parts, split_last_word(record));
    Sample sample;
    sample.id = std::to_string(records_.line_number(i) - 1);
    sample.prompt = parts.before;
    sample.n_new = kOwnNewTokens;
    sample.chat_wrap = false;
    if (record.contains("id")) sample.fields["id"] = record["id"];
    sample.fields["target"] = parts.target;
    return sample;
  }

 private:
  RecordFile records_;
};

}  // namespace

Result<std::unique_ptr<SampleSource>> cloze_samples(const OwnSamples& options) {
  const auto check = [](const json& record) { return split_last_word(record).status(); };
  RESTKV_ASSIGN_OR_RETURN(RecordFile records,
                          RecordFile::open({options.path, options.skip_bad, check}));
  return std::unique_ptr<SampleSource>(std::make_unique<ClozeSource>(std::move(records)));
}

}  // namespace restkv
