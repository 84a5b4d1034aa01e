// The shards of a run as one file.
#include "eval/merge.h"

#include <gtest/gtest.h>

#include "tests/eval/results.h"

namespace restkv {
namespace {

using test::made_block;
using test::made_config;
using test::made_line;
using test::TempFile;

const std::vector<std::string> kTwo{"tova B64", "full"};

void expect_refused(const TempFile& a, const TempFile& b, ErrorKind kind, const std::string& word) {
  const auto merged = merge_results(std::vector{a.path(), b.path()});
  ASSERT_FALSE(merged.ok());
  EXPECT_EQ(merged.status().kind(), kind);
  EXPECT_NE(merged.status().message().find(word), std::string::npos) << merged.status().message();
}

TEST(Merge, ShardsGiveTheWholeRunsFile) {
  const TempFile a("a"), b("b");
  std::string whole, even, odd;
  for (int i = 0; i < 12; ++i) {
    whole += made_block(i, kTwo);
    (i % 2 == 0 ? even : odd) += made_block(i, kTwo);
  }
  a.write(even);
  b.write(odd);
  const auto merged = merge_results(std::vector{a.path(), b.path()});
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(merged->content, whole);
  EXPECT_EQ(merged->n_line, 24);
  EXPECT_EQ(merged->n_repeated, 0);
  EXPECT_EQ(merged->n_missing, 0);
  EXPECT_EQ(merged->n_incomplete, 0);
}

TEST(Merge, CountsWhatAPartLacks) {
  const TempFile a("a"), b("b");
  a.write(made_block(0, kTwo) + made_block(4, kTwo));
  b.write(made_block(2, kTwo) + made_line({.number = 3, .n_batch = 2}));
  const auto merged = merge_results(std::vector{a.path(), b.path()});
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(merged->n_missing, 1);
  EXPECT_EQ(merged->n_incomplete, 1);
}

// One file was stopped within a sample that another one has whole.
TEST(Merge, WhatOnePartLacksAnotherMayHave) {
  const TempFile a("a"), b("b");
  a.write(made_line({.variant = "full", .n_batch = 2}));
  b.write(made_block(0, {"full", "tova B64"}));
  const auto merged = merge_results(std::vector{a.path(), b.path()});
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(merged->n_incomplete, 0);
}

TEST(Merge, RefusesFilesWithoutLines) {
  const TempFile a("a"), b("b");
  a.write("");
  b.write("\n");
  expect_refused(a, b, ErrorKind::model, "no result lines");
}

// Tasks and variants come in the order in which they appear first, samples by their number.
TEST(Merge, OrderIsTheRunsOwn) {
  const TempFile a("a"), b("b");
  a.write(made_line({.number = 10, .task = "vt"}) + made_line({.number = 2, .task = "fwe"}));
  b.write(made_line({.number = 9, .task = "vt"}) + made_line({.number = 9, .variant = "h2o B64"}));
  const auto merged = merge_results(std::vector{a.path(), b.path()});
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->content,
            made_line({.number = 9}) + made_line({.number = 9, .variant = "h2o B64"}) +
                made_line({.number = 10}) + made_line({.number = 2, .task = "fwe"}));
}

TEST(Merge, RepeatedLinesCountOnce) {
  const TempFile a("a"), b("b");
  a.write(made_line({.number = 1}));
  b.write(made_line({.number = 1, .n_batch = 3}) + made_line({.number = 0}));
  const auto merged = merge_results(std::vector{a.path(), b.path()});
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(merged->content, made_line({.number = 0}) + made_line({.number = 1}));
  EXPECT_EQ(merged->n_repeated, 1);
}

TEST(Merge, RefusesContradictions) {
  const TempFile a("a"), b("b");
  a.write(made_line({}));
  b.write(made_line({.prediction = "18"}));
  expect_refused(a, b, ErrorKind::model, "prediction is \"18\", \"17\" before");
}

TEST(Merge, RefusesMixedConfigurations) {
  const TempFile a("a"), b("b");
  a.write(made_line({}));
  b.write(made_line({.number = 1}, made_config(43)));
  expect_refused(a, b, ErrorKind::usage, "seed is 43, 42 before");
}

TEST(Merge, RefusesAFileThatWasCutOff) {
  const TempFile a("a"), b("b");
  a.write(made_line({}));
  b.write(made_line({.number = 1}) + "{\"bench");
  expect_refused(a, b, ErrorKind::model, "ends within a line");
}

TEST(Merge, RefusesAMissingFile) {
  const TempFile a("a"), b("b");
  a.write(made_line({}));
  expect_refused(a, b, ErrorKind::model, "cannot open");
}

}  // namespace
}  // namespace restkv
