// Questions on documents: those that answer the question, and others until the length is reached.
#include <algorithm>
#include <unordered_set>

#include "tasks/draw.h"
#include "tasks/noise.h"
#include "tasks/qa_file.h"
#include "tasks/ruler_forms.h"

namespace restkv {
namespace {

constexpr int kLookedAt = 200;       // documents that are tried for the room that is left
constexpr int64_t kHeadTokens = 8;   // more than the head of a document has
constexpr int64_t kBytesAToken = 8;  // more than a token of prose has

struct Frame {
  PromptTemplate text;
  std::string document;
};

class QaForm : public Form {
 public:
  QaForm(const Frame& frame, std::shared_ptr<const QaFile> file, const TextTokens& tokens,
         int64_t index, uint64_t seed)
      : frame_(frame),
        file_(std::move(file)),
        question_(file_->questions[static_cast<size_t>(index)]),
        tokens_(tokens),
        seed_(seed) {
    Draw draw(derive_seed(seed, 0));
    order_ = question_.gold;
    std::vector<int64_t> near = question_.near;
    draw.shuffle(near);
    order_.insert(order_.end(), near.begin(), near.end());
    std::vector<int64_t> others = not_in_order();
    draw.shuffle(others);
    order_.insert(order_.end(), others.begin(), others.end());
  }

  int64_t min_units() const override { return static_cast<int64_t>(question_.gold.size()); }
  int64_t max_units() const override { return static_cast<int64_t>(order_.size()); }

  Draft build(int64_t n_unit) override {
    std::vector<int64_t> chosen(order_.begin(), order_.begin() + n_unit);
    chosen.insert(chosen.end(), extra_.begin(), extra_.end());
    Draw draw(derive_seed(seed_, 1));
    draw.shuffle(chosen);
    std::vector<std::string> documents;
    for (size_t i = 0; i < chosen.size(); ++i) {
      documents.push_back(fill_places(
          frame_.document, {{"i", std::to_string(i + 1)}, {"document", document(chosen[i])}}));
    }
    const std::string context = join(documents, "\n\n");
    const Places places = {{"context", context}, {"query", question_.text}};
    Draft draft;
    draft.prompt = fill_places(frame_.text.prompt, places);
    draft.answer_prefix = fill_places(frame_.text.answer_prefix, places);
    draft.fields["outputs"] = question_.answers;
    return draft;
  }

  // One more document, the longest of some that fit the room.
  bool stretch(int64_t n_unit, int64_t n_missing) override {
    int64_t best = -1, most = 0;
    const int64_t end = std::min(n_unit + kLookedAt, max_units());
    for (int64_t i = n_unit; i < end; ++i) {
      const int64_t place = order_[static_cast<size_t>(i)];
      if (std::ranges::find(extra_, place) != extra_.end()) continue;
      const std::string& text = document(place);
      if (static_cast<int64_t>(text.size()) > n_missing * kBytesAToken) continue;
      const Result<std::vector<int32_t>> ids = tokens_.encode(text, false);
      const int64_t n_token = ids.ok() ? static_cast<int64_t>(ids->size()) + kHeadTokens : 0;
      if (n_token <= most || n_token > n_missing) continue;
      best = place;
      most = n_token;
    }
    if (best >= 0) extra_.push_back(best);
    return best >= 0;
  }

 private:
  const std::string& document(int64_t place) const {
    return file_->documents[static_cast<size_t>(place)];
  }
  std::vector<int64_t> not_in_order() const {
    const std::unordered_set<int64_t> taken(order_.begin(), order_.end());
    std::vector<int64_t> others;
    for (int64_t i = 0; i < static_cast<int64_t>(file_->documents.size()); ++i) {
      if (!taken.contains(i)) others.push_back(i);
    }
    return others;
  }

  Frame frame_;
  std::shared_ptr<const QaFile> file_;
  const QaQuestion& question_;
  TextTokens tokens_;
  uint64_t seed_;
  std::vector<int64_t> order_;  // documents: gold, near, the rest
  std::vector<int64_t> extra_;
};

}  // namespace

Result<MakeForm> qa_forms(const RulerInputs& inputs) {
  Frame frame;
  RESTKV_ASSIGN_OR_RETURN(frame.text, inputs.prompts->find("qa"));
  frame.document = inputs.prompts->text("document");
  RESTKV_ASSIGN_OR_RETURN(QaFile read, inputs.task == "qa_1" ? read_squad(inputs.qa_file)
                                                             : read_hotpot(inputs.qa_file));
  const auto n_question = static_cast<int64_t>(read.questions.size());
  if (n_question < inputs.n) {
    return Status::usage("the number of samples is " + std::to_string(inputs.n) + ", " +
                         inputs.qa_file + " holds " + std::to_string(n_question) + " questions");
  }
  auto file = std::make_shared<const QaFile>(std::move(read));
  return MakeForm([frame, file, tokens = inputs.tokens](int64_t index, uint64_t seed) {
    return std::make_unique<QaForm>(frame, file, tokens, index, seed);
  });
}

}  // namespace restkv
