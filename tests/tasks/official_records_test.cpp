// Our samples beside records that RULER's own generators wrote, with RULER's own templates: all but
// what is drawn must be equal, byte by byte. And the other benchmarks' files, in the published
// form.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>

#include "scores/infinitebench.h"
#include "scores/longbench.h"
#include "scores/ruler.h"
#include "tasks/infinitebench_samples.h"
#include "tasks/longbench_samples.h"
#include "tasks/ruler_samples.h"
#include "tests/tasks/inputs.h"
#include "tests/tasks/toy_tokens.h"

namespace restkv {
namespace {

namespace fs = std::filesystem;

class OfficialRecords : public testing::Test {
 protected:
  void SetUp() override {
    const char* elsewhere = std::getenv("RESTKV_DATA_DIR");  // NOLINT(concurrency-mt-unsafe)
    data_ =
        elsewhere != nullptr ? fs::path(elsewhere) : fs::path(RESTKV_SOURCE_DIR) / "../shared/data";
    if (!fs::is_directory(data_)) GTEST_SKIP() << "no recorded samples in " << data_;
  }
  std::string path(const std::string& name) const { return (data_ / name).string(); }

  Prompts load_prompts(PromptSet set, const std::string& name) const {
    const auto prompts = Prompts::load(set, path("prompts/" + name + ".json"));
    EXPECT_TRUE(prompts.ok()) << prompts.status().message();
    return *prompts;
  }

  fs::path data_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

// A sample without what is drawn. Only short texts go through the regular expressions.
std::string frame_of(const std::string& task, const Sample& sample, const std::string& noise) {
  std::string frame;
  const std::vector<std::string> lines = lines_of(sample.prompt);
  if (task.starts_with("niah")) {
    frame = lines.front() + "\n" + lines.back() + sample.answer_prefix;
    return std::regex_replace(frame, std::regex("for \\S+-\\S+( \\S+-\\S+)*( and \\S+)? mentioned"),
                              "for KEYS mentioned");
  }
  for (const std::string& line : lines) {
    if ((!line.empty() && noise.starts_with(line)) || line.starts_with("VAR ")) continue;
    if (task == "cwe" && line.starts_with("1. ")) {
      frame += "LIST\n";
    } else if (task == "fwe" && line.size() > 300) {
      frame += line.substr(0, line.find("words. ")) + "LIST\n";
    } else {
      frame += line + "\n";
    }
  }
  frame += sample.answer_prefix;
  frame = std::regex_replace(frame, std::regex("are: 1\\. .*10\\. \\S+"), "are: ANSWER");
  frame = std::regex_replace(frame, std::regex("[A-Z]{3}( [A-Z]{3}){4}"), "NAMES");
  return std::regex_replace(frame, std::regex("value \\d{5}"), "value N");
}

TEST_F(OfficialRecords, FramesAreEqualByteByByte) {
  const auto prompts = std::make_shared<const Prompts>(load_prompts(PromptSet::ruler, "ruler"));
  const auto haystack = std::make_shared<const Haystack>(*Haystack::load(path("haystack")));
  const auto words = std::make_shared<const WordLists>(*load_word_lists(path("words")));
  int n_compared = 0;
  for (const RulerTask& task : ruler_tasks()) {
    const std::string name(task.name);
    for (const int64_t length : {1024, 4096}) {
      if (!fs::exists(data_ / "ruler" / std::to_string(length) / (name + ".jsonl"))) continue;
      RulerSamples options{.task = name, .length = length, .n = 1, .tokens = ToyTokens::tokens()};
      options.prompts = prompts;
      options.haystack = haystack;
      options.words = words;
      const Sample ours = *(*ruler_samples(options))->sample(0);
      options.data = path("ruler");
      const auto recorded = ruler_samples(options);
      ASSERT_TRUE(recorded.ok()) << recorded.status().message();
      for (int64_t i = 0; i < (*recorded)->size(); ++i) {
        const Sample theirs = *(*recorded)->sample(i);
        EXPECT_EQ(frame_of(name, ours, prompts->text("noise")),
                  frame_of(name, theirs, prompts->text("noise")));
        EXPECT_EQ(ours.n_new, theirs.n_new);
        EXPECT_EQ(ours.fields["outputs"].size(), theirs.fields["outputs"].size());
        ++n_compared;
      }
    }
  }
  EXPECT_GT(n_compared, 20);
}

TEST_F(OfficialRecords, NeedlesAreWordedAlike) {
  const Prompts prompts = load_prompts(PromptSet::ruler, "ruler");
  const Sample sample =
      *(*ruler_samples({.task = "niah_multikey_3", .length = 4096, .data = path("ruler")}))
           ->sample(0);
  const size_t from = sample.answer_prefix.find("for ") + 4;
  const std::string needle = fill_places(
      prompts.text("needle"), {{"type_needle_v", "uuids"},
                               {"key", sample.answer_prefix.substr(from, 36)},
                               {"value", sample.fields["outputs"][0].get<std::string>()}});
  EXPECT_EQ(count_in(sample.prompt, "\n" + needle + "\n"), 1);
}

TEST_F(OfficialRecords, TheOlderFormHasThePrefixInside) {
  const TemporaryFolder folder;
  fs::create_directories(fs::path(folder.path()) / "4096");
  fs::copy_file(path("ruler/niah_multikey_3_4096.published.jsonl"),
                fs::path(folder.path()) / "4096/niah_multikey_3.jsonl");
  const auto source =
      opened(ruler_samples({.task = "niah_multikey_3", .length = 4096, .data = folder.path()}));
  EXPECT_EQ(source->size(), 12);
  EXPECT_TRUE(source->sample(3)->prompt.ends_with("mentioned in the provided text is"));
  EXPECT_EQ(source->sample(3)->answer_prefix, "");
}

TEST_F(OfficialRecords, OtherBenchmarksFilesAreRead) {
  const auto longbench =
      std::make_shared<const Prompts>(load_prompts(PromptSet::longbench, "longbench"));
  for (const LongBenchTask& task : longbench_tasks()) {
    const auto source = longbench_samples(
        {.task = std::string(task.name), .data = path("longbench"), .prompts = longbench});
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ((*source)->sample(0)->prompt.find("{context}"), std::string::npos);
  }
  const auto infinitebench =
      std::make_shared<const Prompts>(load_prompts(PromptSet::infinitebench, "infinitebench"));
  for (const char* const task :
       {"passkey", "number_string", "kv_retrieval", "math_find", "code_run"}) {
    const auto source = infinitebench_samples(
        {.task = task, .data = path("infinitebench"), .prompts = infinitebench});
    ASSERT_TRUE(source.ok()) << source.status().message();
    const Sample sample = *(*source)->sample(0);
    EXPECT_FALSE(sample.fields["label"].is_null());
    EXPECT_EQ(sample.prompt.find("{prefix}"), std::string::npos);
  }
  const Sample run =
      *(*infinitebench_samples(
            {.task = "code_run", .data = path("infinitebench"), .prompts = infinitebench}))
           ->sample(0);
  EXPECT_TRUE(run.prompt.ends_with("The value of func_1(-7) is")) << run.prompt;
}

}  // namespace
}  // namespace restkv
