// Files of records: RULER's two forms, and what no file may be.
#include "tasks/record_file.h"

#include <gtest/gtest.h>

#include "tasks/ruler_samples.h"
#include "tests/tasks/inputs.h"

namespace restkv {
namespace {

TEST(RulerRecords, NewerAndOlderForm) {
  const TemporaryFolder folder;
  folder.write("4096/vt.jsonl",
               R"({"index": 517, "input": "Text", "outputs": ["A", "B"], "length": 9,)"
               R"( "answer_prefix": " Answer: "})"
               "\n\r\n"
               R"({"index": 517, "input": "Text Answer:", "outputs": ["C"], "length": 9})");
  RulerSamples options{.task = "vt", .length = 4096, .data = folder.path()};
  const auto source = opened(ruler_samples(options));
  ASSERT_EQ(source->size(), 2);
  const Sample newer = *source->sample(0), older = *source->sample(1);
  EXPECT_EQ(newer.prompt, "Text");
  EXPECT_EQ(newer.answer_prefix, " Answer: ");
  EXPECT_EQ(newer.n_new, 30);
  EXPECT_EQ(newer.fields["outputs"], (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(older.prompt, "Text Answer:");
  EXPECT_EQ(older.answer_prefix, "");
  EXPECT_NE(newer.id, older.id);  // the files' indices repeat
  options.preset = RulerPreset::restkv;
  EXPECT_EQ((*ruler_samples(options))->sample(0)->n_new, 64);
  options.length = 8192;
  expect_error(ruler_samples(options).status(), ErrorKind::model, "no file 8192/vt.jsonl");
}

TEST(RulerRecords, MalformedLinesAreNamedOrCounted) {
  const TemporaryFolder folder;
  const std::string good = R"({"input": "x", "outputs": ["A"]})";
  const auto status = [&](const std::string& bad) {
    folder.write("1024/cwe.jsonl", good + "\n" + bad + "\n");
    return ruler_samples({.task = "cwe", .length = 1024, .data = folder.path()}).status();
  };
  expect_error(status("{"), ErrorKind::model, "cwe.jsonl:2: the line is not JSON");
  expect_error(status("[1]"), ErrorKind::model,
               "cwe.jsonl:2: the line holds a value of type array");
  expect_error(status(R"({"outputs": ["A"]})"), ErrorKind::model, "input is missing");
  expect_error(status(R"({"input": "", "outputs": []})"), ErrorKind::model, "outputs is empty");
  expect_error(status(R"({"input": "", "outputs": [1.5]})"), ErrorKind::model, "outputs");
  expect_error(status(R"({"input": "", "outputs": ["A"], "answer_prefix": 1})"), ErrorKind::model,
               "answer_prefix");
  const auto source = opened(
      ruler_samples({.task = "cwe", .length = 1024, .data = folder.path(), .skip_bad = true}));
  EXPECT_EQ(source->size(), 1);
  EXPECT_EQ(source->n_skipped(), 1);
}

TEST(RecordFile, EmptyMissingAndChanged) {
  const TemporaryFolder folder;
  const auto any = [](const nlohmann::json&) { return Status(); };
  const std::string empty = folder.write("empty.jsonl", "\n \n");
  expect_error(RecordFile::open({empty, true, any}).status(), ErrorKind::model, "holds no samples");
  expect_error(RecordFile::open({folder.path() + "/none", true, any}).status(), ErrorKind::model,
               "cannot open");
  expect_error(RecordFile::open({folder.path(), true, any}).status(), ErrorKind::model,
               folder.path());
  const std::string path = folder.write("some.jsonl", "{\"a\": 1}\n\n{\"a\": 2}");
  const auto file = *RecordFile::open({path, false, any});
  EXPECT_EQ((*file.record(1))["a"], 2);
  EXPECT_EQ(file.line_number(1), 3);
  folder.write("some.jsonl", "{\"a\": 1}\n");
  expect_error(file.record(1).status(), ErrorKind::model, "some.jsonl:3");
}

TEST(RecordFile, ForeignBytesAreReplaced) {
  const TemporaryFolder folder;
  const std::string path = folder.write("x.jsonl", "{\"a\": \"\xff\"}\n");
  const auto file = *RecordFile::open({path, false, [](const auto&) { return Status(); }});
  EXPECT_EQ((*file.record(0))["a"], "\xef\xbf\xbd");
}

}  // namespace
}  // namespace restkv
