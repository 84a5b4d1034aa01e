// Files of results that were left in every possible state.
#include "eval/result_file.h"

#include <gtest/gtest.h>

#include "tests/eval/results.h"

namespace restkv {
namespace {

using test::made_block;
using test::made_config;
using test::made_line;
using test::TempFile;

const std::vector<std::string> kTwo{"full", "tova B64"};

std::unique_ptr<ResultFile> open(const TempFile& file) {
  auto opened = ResultFile::open(file.path(), made_config());
  EXPECT_TRUE(opened.ok()) << opened.status().message();
  return opened.ok() ? std::move(*opened) : nullptr;
}

std::string key(int number) {
  return SamplePlace{
      .benchmark = "ruler", .task = "vt", .length = 1024, .sample = std::to_string(number)}
      .key();
}

TEST(ResultFile, BeginsEmptyAndGrows) {
  const TempFile file("grows");
  const auto opened = open(file);
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->has(key(0), "full"));
  ASSERT_TRUE(opened->append(made_block(0, kTwo)).ok());
  ASSERT_TRUE(opened->append(made_block(1, kTwo)).ok());
  EXPECT_EQ(file.content(), made_block(0, kTwo) + made_block(1, kTwo));
}

// Whatever byte a killed run's last write ended at: what came before stays, the rest is redone.
TEST(ResultFile, LosesWhatWasHalfWritten) {
  const TempFile file("torn");
  const std::string first = made_block(0, kTwo), second = made_block(1, kTwo);
  for (size_t n = 0; n <= second.size(); ++n) {
    file.write(first + second.substr(0, n));
    const auto opened = open(file);
    ASSERT_TRUE(opened) << n;
    const bool whole = n == second.size();
    EXPECT_EQ(file.content(), whole ? first + second : first) << n;
    EXPECT_TRUE(opened->has(key(0), "tova B64"));
    EXPECT_EQ(opened->has(key(1), "full"), whole) << n;
  }
}

TEST(ResultFile, LosesAHalfWrittenFirstSample) {
  const TempFile file("torn_first");
  const std::string block = made_block(0, kTwo);
  for (size_t n = 0; n < block.size(); ++n) {
    file.write(block.substr(0, n));
    ASSERT_TRUE(open(file)) << n;
    EXPECT_EQ(file.content(), "") << n;
  }
}

// A sample that gets more variants later has several blocks, each complete in itself.
TEST(ResultFile, KeepsBlocksOfOtherRuns) {
  const TempFile file("added");
  file.write(made_block(0, kTwo) + made_block(0, {"h2o B64"}));
  const auto opened = open(file);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->has(key(0), "full"));
  EXPECT_TRUE(opened->has(key(0), "h2o B64"));
  EXPECT_FALSE(opened->has(key(0), "h2o B128"));
}

TEST(ResultFile, RefusesAnotherConfigurationAndChangesNothing) {
  const TempFile file("other");
  const std::string content = made_line({}, made_config(7)) + "{\"benchm";
  file.write(content);
  const auto opened = ResultFile::open(file.path(), made_config());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().kind(), ErrorKind::usage);
  EXPECT_NE(opened.status().message().find("seed is 42, 7 before"), std::string::npos)
      << opened.status().message();
  EXPECT_EQ(file.content(), content);
}

TEST(ResultFile, RefusesWhatIsNoResultFile) {
  const TempFile file("foreign");
  for (const char* content : {"a letter to my aunt", "{\"id\": 3}\n", "[1]\n",
                              "{\"benchmark\":\"of another program\"}"}) {
    file.write(content);
    const auto opened = ResultFile::open(file.path(), made_config());
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.status().kind(), ErrorKind::model);
    EXPECT_EQ(file.content(), content);
  }
}

// A whole line is no half-written one, though its newline is missing.
TEST(ResultFile, RefusesALastLineOfAnotherConfiguration) {
  const TempFile file("other_end");
  std::string line = made_line({}, made_config(7));
  line.pop_back();
  for (const std::string& before : {std::string(), made_line({})}) {
    file.write(before + line);
    const auto opened = ResultFile::open(file.path(), made_config());
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.status().kind(), ErrorKind::usage);
    EXPECT_EQ(file.content(), before + line);
  }
}

TEST(ResultFile, PassesOverBlankLines) {
  const TempFile file("blank");
  file.write(made_line({}) + "\n \r\n" + made_line({.number = 1}));
  const auto opened = open(file);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->n_line(), 2);
  for (const char* torn : {"\n", "\n\n{\"bench"}) {
    const TempFile other("blank_first");
    other.write(torn);
    EXPECT_TRUE(open(other)) << torn;
  }
}

TEST(ResultFile, IsARegularFile) {
  const auto opened = ResultFile::open("/dev/null", made_config());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().message(), "cannot write /dev/null: results need a regular file");
}

TEST(ResultFile, NamesTheLineThatIsNone) {
  const TempFile file("bad_line");
  file.write(made_line({}) + "nonsense\n" + made_line({.number = 1}));
  const auto opened = ResultFile::open(file.path(), made_config());
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.status().message().find(":2: "), std::string::npos);
}

TEST(ResultFile, IsForOneProcessAtATime) {
  const TempFile file("locked");
  auto first = open(file);
  const auto second = ResultFile::open(file.path(), made_config());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().kind(), ErrorKind::runtime);
  first.reset();
  EXPECT_TRUE(open(file));
}

TEST(ResultFile, SaysWhyItCannotBeWritten) {
  const auto opened = ResultFile::open("/no/such/folder/file", made_config());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().kind(), ErrorKind::runtime);
}

TEST(ResultLine, NamesTheFirstDifference) {
  EXPECT_EQ(first_difference(made_config(), made_config()), "");
  EXPECT_EQ(first_difference({{"a", {{"b", 1}}}}, {{"a", {{"b", "x"}}}}), "a.b is 1, \"x\" before");
  EXPECT_EQ(first_difference({{"a", 1}}, {{"b", 1}}), "a is 1, none before");
  EXPECT_EQ(first_difference({{"a", 1}}, {{"a", 1}, {"b", 2}}), "b is missing, 2 before");
}

}  // namespace
}  // namespace restkv
