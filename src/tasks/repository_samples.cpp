#include "tasks/repository_samples.h"

#include <utility>

#include "tasks/draw.h"
#include "tasks/generated_source.h"
#include "tasks/repository.h"

namespace restkv {
namespace {

// Of an answer, by turn; of all answers, later questions and their forms together.
constexpr int kPathTokens = 48, kSignatureTokens = 64, kCodeTokens = 192, kAllTokens = 512;
constexpr int64_t kCases = 8, kLeastArgument = -20, kMostArgument = 40;
constexpr int64_t kLeastAdded = 3, kMostAdded = 99;

struct Asked {
  std::string name, path, signature;
  int64_t added = 0;
};

// Where the style has the words of a question between its own.
std::string framed(const std::string& question, bool chat) {
  return chat ? question : "\n\nQuestion: " + question + "\nAnswer:";
}

std::vector<Turn> turns_about(const Asked& asked, bool chat) {
  const std::string name = "`" + asked.name + "`";
  Turn path{.question = "Which file defines the function " + name + "? Give its path.",
            .answer_prefix = {},
            .n_new = kPathTokens,
            .stop_at_newline = !chat};
  Turn signature{.question = "What is the signature of " + name +
                             "? Give the name with all parameters and their defaults.",
                 .answer_prefix = {},
                 .n_new = kSignatureTokens,
                 .stop_at_newline = !chat};
  Turn change{.question = "Write " + name + " again, changed in one thing: it returns " +
                          std::to_string(asked.added) +
                          " more than it does now. Give the whole function.",
              .answer_prefix = chat ? "```python\n" : "\n```python\n",
              .n_new = kCodeTokens,
              .stop = {"\n```"}};
  for (Turn* turn : {&path, &signature, &change})
    turn->question = framed(turn->question, chat);
  return {path, signature, change};
}

// What the changed function must return, asked of the one that it was.
std::string draw_test(const RepositoryFunction& function, int64_t added, Draw draw) {
  RepositoryFunction before = function;
  before.name = "before_the_change";
  std::string cases;
  for (int64_t i = 0; i < kCases; ++i) {
    // Every other case leaves the last argument to its default.
    std::string arguments;
    for (int64_t a = 0; a < 3 - i % 2; ++a)
      arguments +=
          (a == 0 ? "" : ", ") + std::to_string(draw.between(kLeastArgument, kMostArgument));
    cases += (i == 0 ? "(" : ", (") + arguments + ")";
  }
  return before.code() + "\n\nfor case in [" + cases + "]:\n    assert " + function.name +
         "(*case) == " + before.name + "(*case) + " + std::to_string(added) + "\n";
}

class RepositoryForm : public Form {
 public:
  RepositoryForm(bool chat, uint64_t seed)
      : chat_(chat),
        seed_(seed),
        repository_(derive_seed(seed, 0)),
        place_(Draw(derive_seed(seed, 1)).below(kPlaces)),
        added_(Draw(derive_seed(seed, 2)).between(kLeastAdded, kMostAdded)) {}

  int64_t min_units() const override { return Repository::kPerModule; }  // functions
  int64_t max_units() const override { return Repository::max_functions(); }

  Draft build(int64_t n_unit) override {
    const int64_t i = place_ * n_unit / kPlaces;
    const RepositoryFunction function = repository_.function(i);
    const Asked asked{.name = function.name,
                      .path = repository_.path(i),
                      .signature = function.signature(),
                      .added = added_};
    Draft draft;
    draft.prompt = (chat_ ? "These are the files of a repository.\n\n" : "") +
                   repository_.text(n_unit) + (chat_ ? "\n\n" : "") +
                   turns_about(asked, chat_).front().question;
    draft.fields = {{"function", asked.name},
                    {"path", asked.path},
                    {"signature", asked.signature},
                    {"added", added_},
                    {"test", draw_test(function, added_, Draw(derive_seed(seed_, 3)))},
                    {"depth", 100.0 * static_cast<double>(i) / static_cast<double>(n_unit)}};
    draft.must_occur = {{"def " + asked.signature + ":", 1}, {asked.path, 1}, {asked.name, 2}};
    return draft;
  }

 private:
  static constexpr int64_t kPlaces = 1 << 20;

  bool chat_;
  uint64_t seed_;
  Repository repository_;
  int64_t place_, added_;
};

std::string without_blanks(const std::string& text) {
  std::string rest;
  for (const char c : text)
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '`') rest += c;
  return rest;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> repository_samples(const RepositorySamples& options) {
  RESTKV_RETURN_IF_ERROR(check_generated(
      {.n = options.n, .length = options.length, .n_template = options.n_template, .n_new = 0},
      options.tokens));
  return generated_source(
      {.task = kRepositoryTask,
       .n = options.n,
       .seed = options.seed,
       .fit = {.limit = options.length - options.n_template + kAllTokens, .n_new = kAllTokens},
       .tokens = options.tokens,
       .make = [chat = options.chat](int64_t, uint64_t seed) {
         return std::make_unique<RepositoryForm>(chat, seed);
       }});
}

Result<std::vector<Turn>> repository_turns(const Sample& sample, bool chat) {
  const auto& fields = sample.fields;
  const bool is_one = fields.contains("function") && fields["function"].is_string() &&
                      fields.contains("added") && fields["added"].is_number_integer();
  if (!is_one) return Status::model("the sample has no \"function\" or no \"added\"");
  return turns_about({.name = fields["function"].get<std::string>(),
                      .path = {},
                      .signature = {},
                      .added = fields["added"].get<int64_t>()},
                     chat);
}

bool names_path(const std::string& answer, const std::string& path) {
  return answer.find(path) != std::string::npos;
}

bool names_signature(const std::string& answer, const std::string& signature) {
  return without_blanks(answer).find(without_blanks(signature)) != std::string::npos;
}

}  // namespace restkv
