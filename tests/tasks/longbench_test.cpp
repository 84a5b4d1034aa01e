#include "tasks/longbench_samples.h"

#include <gtest/gtest.h>

#include "scores/longbench.h"
#include "tests/tasks/inputs.h"

namespace restkv {
namespace {

constexpr const char* kRecord =
    R"({"input": "Who {context}?", "context": "A {input} tale.", "answers": ["Ann", "ann"],)"
    R"( "length": 12, "dataset": "x", "language": "en", "all_classes": null, "_id": "abc"})"
    "\n";

std::unique_ptr<SampleSource> source_of(const LongBenchSamples& options) {
  return opened(longbench_samples(options));
}

TEST(LongBenchSamples, EveryTaskByItsTable) {
  const TemporaryFolder folder;
  for (const LongBenchTask& task : longbench_tasks()) {
    const std::string name(task.name);
    folder.write(name + ".jsonl", kRecord);
    const Sample sample = *source_of({.task = name, .data = folder.path()})->sample(0);
    EXPECT_EQ(sample.id, "abc");
    EXPECT_EQ(sample.n_new, task.n_new);
    EXPECT_EQ(sample.chat_wrap, task.chat_wrap);
    EXPECT_FALSE(sample.stop_at_newline);
    // What is filled in is not filled again.
    EXPECT_EQ(count_in(sample.prompt, "A {input} tale."), 1) << name;
    EXPECT_EQ(count_in(sample.prompt, "Who {context}?"), task.has_input ? 1 : 0) << name;
    EXPECT_EQ(sample.fields["answers"].size(), 2u);
    EXPECT_EQ(sample.fields["length"], 12);
    EXPECT_TRUE(sample.fields["all_classes"].is_null());
  }
}

TEST(LongBenchSamples, SamsumStopsAtNewlinesInTheChatStyle) {
  const TemporaryFolder folder;
  folder.write("samsum.jsonl", kRecord);
  folder.write("trec.jsonl", kRecord);
  EXPECT_TRUE(source_of({.task = "samsum", .data = folder.path(), .chat = true})
                  ->sample(0)
                  ->stop_at_newline);
  EXPECT_FALSE(
      source_of({.task = "trec", .data = folder.path(), .chat = true})->sample(0)->stop_at_newline);
}

TEST(LongBenchSamples, TheEFormHasItsOwnFiles) {
  const TemporaryFolder folder;
  folder.write("trec_e.jsonl", kRecord);
  EXPECT_EQ(source_of({.task = "trec", .data = folder.path(), .e_form = true})->size(), 1);
  expect_error(longbench_samples({.task = "trec", .data = folder.path()}).status(),
               ErrorKind::model, "no file trec.jsonl");
  expect_error(
      longbench_samples({.task = "musique", .data = folder.path(), .e_form = true}).status(),
      ErrorKind::usage, "LongBench-E");
}

TEST(LongBenchSamples, IdsAreUnique) {
  const TemporaryFolder folder;
  folder.write("trec.jsonl", std::string(kRecord) + kRecord +
                                 R"({"input": "", "context": "", "answers": ["x"]})" + "\n");
  const auto source = source_of({.task = "trec", .data = folder.path()});
  EXPECT_EQ(source->sample(0)->id, "abc");
  EXPECT_EQ(source->sample(1)->id, "record-1");
  EXPECT_EQ(source->sample(2)->id, "record-2");
}

TEST(LongBenchSamples, MalformedLinesAreNamedOrCounted) {
  const TemporaryFolder folder;
  folder.write("trec.jsonl", std::string("\n") + kRecord + "{\"input\": 3}\n[]\n" + kRecord);
  LongBenchSamples options{.task = "trec", .data = folder.path()};
  expect_error(longbench_samples(options).status(), ErrorKind::model,
               "trec.jsonl:3: field context is missing");
  options.skip_bad = true;
  const auto source = source_of(options);
  EXPECT_EQ(source->size(), 2);
  EXPECT_EQ(source->n_skipped(), 2);
  folder.write("lcc.jsonl", R"({"input": "", "context": "", "answers": []})");
  expect_error(longbench_samples({.task = "lcc", .data = folder.path()}).status(), ErrorKind::model,
               "answers is empty");
  expect_error(longbench_samples({.task = "dureader", .data = folder.path()}).status(),
               ErrorKind::usage, "LongBench has");
  expect_error(longbench_samples({.task = "lcc", .data = "/nowhere"}).status(), ErrorKind::usage,
               "no such folder");
}

}  // namespace
}  // namespace restkv
