#include "tasks/humaneval_samples.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tasks/draw.h"
#include "tasks/record_file.h"

namespace restkv {
namespace {

using nlohmann::json;

constexpr int kNewTokens = 512;

// What begins something else at the left margin, after the function that was asked for.
const std::vector<std::string>& raw_stops() {
  static const std::vector<std::string> stops = {"\nclass", "\ndef", "\n#",      "\n@",
                                                 "\nprint", "\nif",  "\nassert", "\n```"};
  return stops;
}

Result<CodeProblem> read_problem(const json& record) {
  CodeProblem problem;
  RESTKV_ASSIGN_OR_RETURN(problem.id, get_text(record, {"task_id"}));
  RESTKV_ASSIGN_OR_RETURN(problem.prompt, get_text(record, {"prompt"}));
  RESTKV_ASSIGN_OR_RETURN(problem.entry_point, get_text(record, {"entry_point"}));
  RESTKV_ASSIGN_OR_RETURN(problem.solution, get_text(record, {"canonical_solution"}));
  RESTKV_ASSIGN_OR_RETURN(problem.test, get_text(record, {"test"}));
  if (problem.entry_point.empty()) return Status::model("\"entry_point\" is empty");
  return problem;
}

std::string without_margin(const std::string& text) {
  const size_t first = text.find_first_not_of('\n');
  return first == std::string::npos ? std::string() : text.substr(first);
}

std::string file_line(const CodeProblem& problem) {
  return "# File: " + problem.entry_point + ".py\n";
}

std::string solved(const CodeProblem& problem) {
  return file_line(problem) + without_margin(problem.prompt) + problem.solution + "\n\n";
}

// Where a function is defined at the left margin; npos: nowhere.
size_t find_function(const std::string& code, const std::string& name) {
  const std::string head = "def " + name;
  for (size_t at = code.find(head); at != std::string::npos; at = code.find(head, at + 1)) {
    const bool at_margin = at == 0 || code[at - 1] == '\n';
    const size_t behind = code.find_first_not_of(' ', at + head.size());
    if (at_margin && behind != std::string::npos && code[behind] == '(') return at;
  }
  return std::string::npos;
}

class HumanEvalSource : public SampleSource {
 public:
  HumanEvalSource(HumanEvalSamples options, std::vector<int64_t> n_token)
      : options_(std::move(options)), n_token_(std::move(n_token)) {}

  int64_t size() const override { return static_cast<int64_t>(problems().size()); }
  int64_t n_skipped() const override { return options_.problems->n_skipped; }

  Result<Sample> sample(int64_t i) const override {
    const CodeProblem& problem = problems()[static_cast<size_t>(i)];
    Sample sample;
    sample.id = problem.id;
    sample.n_new = kNewTokens;
    const auto [front, n_front] = padding(i);
    sample.fields["entry_point"] = problem.entry_point;
    sample.fields["padding_tokens"] = n_front;
    if (options_.chat) {
      ask(problem, front, &sample);
    } else {
      sample.prompt = front + stated(problem, front);
      sample.stop = raw_stops();
    }
    return sample;
  }

 private:
  const std::vector<CodeProblem>& problems() const { return options_.problems->all; }

  // The problem as it stands behind other code; alone it is taken as it is.
  static std::string stated(const CodeProblem& problem, const std::string& front) {
    return front.empty() ? problem.prompt : file_line(problem) + without_margin(problem.prompt);
  }

  static void ask(const CodeProblem& problem, const std::string& front, Sample* sample) {
    if (!front.empty())
      sample->prompt = "These are files of one project.\n\n```python\n" + front + "```\n\n";
    sample->prompt +=
        "Complete the function below. Write all of it, and nothing else, in one block of code.\n\n"
        "```python\n" +
        stated(problem, front) + "```";
    sample->answer_prefix = "```python\n";
    sample->stop = {"\n```"};
  }

  // Other problems in the order of a draw, the first of them nearest; all of them over again where
  // there are too few.
  std::pair<std::string, int64_t> padding(int64_t i) const {
    std::vector<int64_t> others;
    for (int64_t other = 0; other < size(); ++other)
      if (!same_function(other, i)) others.push_back(other);
    Draw draw(
        derive_seed(derive_seed(options_.seed, name_key("humaneval")), static_cast<uint64_t>(i)));
    std::string text;
    int64_t n = 0;
    for (bool all_fit = !others.empty(); all_fit;) {
      draw.shuffle(others);
      for (const int64_t other : others) {
        const int64_t n_more = n_token_[static_cast<size_t>(other)];
        if (n + n_more > options_.n_pad) {
          all_fit = false;
          continue;
        }
        n += n_more;
        text = solved(problems()[static_cast<size_t>(other)]) + text;
      }
    }
    return {text, n};
  }

  bool same_function(int64_t a, int64_t b) const {
    return problems()[static_cast<size_t>(a)].entry_point ==
           problems()[static_cast<size_t>(b)].entry_point;
  }

  HumanEvalSamples options_;
  std::vector<int64_t> n_token_;  // of the problems with their solutions, as they stand in front
};

}  // namespace

Result<std::shared_ptr<const CodeProblems>> CodeProblems::load(const std::string& path,
                                                               bool skip_bad) {
  const auto check = [](const json& record) { return read_problem(record).status(); };
  RESTKV_ASSIGN_OR_RETURN(const RecordFile records, RecordFile::open({path, skip_bad, check}));
  auto problems = std::make_shared<CodeProblems>();
  std::set<std::string> ids;
  for (int64_t i = 0; i < records.size(); ++i) {
    RESTKV_ASSIGN_OR_RETURN(const json record, records.record(i));
    RESTKV_ASSIGN_OR_RETURN(CodeProblem problem, read_problem(record));
    if (!ids.insert(problem.id).second) {
      return Status::model(path + ":" + std::to_string(records.line_number(i)) +
                           ": \"task_id\" is \"" + problem.id + "\", as on a line before");
    }
    problems->all.push_back(std::move(problem));
  }
  problems->n_skipped = records.n_skipped();
  return std::shared_ptr<const CodeProblems>(std::move(problems));
}

const CodeProblem* CodeProblems::find(const std::string& id) const {
  const auto found = std::ranges::find(all, id, &CodeProblem::id);
  return found == all.end() ? nullptr : &*found;
}

Result<std::unique_ptr<SampleSource>> humaneval_samples(const HumanEvalSamples& options) {
  if (options.n_pad < 0) {
    return Status::usage("the number of tokens in front is " + std::to_string(options.n_pad) +
                         ", it must be at least 0");
  }
  if (options.n_pad > 0 && options.problems->all.size() < 2)
    return Status::usage("there is one problem alone, which leaves none to put in front of it");
  std::vector<int64_t> n_token;
  for (const CodeProblem& problem : options.problems->all) {
    RESTKV_ASSIGN_OR_RETURN(const auto ids, options.tokens.encode(solved(problem), false));
    n_token.push_back(static_cast<int64_t>(ids.size()));
  }
  return std::unique_ptr<SampleSource>(
      std::make_unique<HumanEvalSource>(options, std::move(n_token)));
}

std::string humaneval_program(const CodeProblem& problem, const std::string& answer) {
  const bool whole = find_function(answer, problem.entry_point) != std::string::npos;
  const size_t own = find_function(problem.prompt, problem.entry_point);
  return (whole ? problem.prompt.substr(0, own) : problem.prompt) + answer + "\n" + problem.test +
         "\ncheck(" + problem.entry_point + ")";
}

}  // namespace restkv
