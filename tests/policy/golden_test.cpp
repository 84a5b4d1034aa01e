// The policies against the published code's own selections: the cases in tests/data/golden, and all
// of ../shared/golden (or RESTKV_GOLDEN_DIR) where it is there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "cli/golden_select.h"

namespace restkv::cli {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-4;

// Case files by name; those of the second folder come on top.
std::map<std::string, fs::path> case_files() {
  std::map<std::string, fs::path> files;
  const char* elsewhere = std::getenv("RESTKV_GOLDEN_DIR");  // NOLINT(concurrency-mt-unsafe)
  const fs::path root = RESTKV_SOURCE_DIR;
  for (const fs::path& folder :
       {root / "tests/data/golden",
        elsewhere != nullptr ? fs::path(elsewhere) : root / "../shared/golden"}) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (entry.path().extension() == ".gguf") files[entry.path().stem()] = entry.path();
    }
  }
  return files;
}

using Rows = std::vector<std::vector<int32_t>>;

// A padded index tensor as ragged rows.
Rows expected_rows(const GoldenFile& file, const std::string& name, int64_t n_row) {
  const auto data = file.read_i32(name, {-1, n_row, 1});
  EXPECT_TRUE(data.ok()) << data.status().message();
  if (!data.ok()) return {};
  const int64_t width = file.axis(name, 0);
  Rows rows;
  for (int64_t r = 0; r < n_row; ++r) {
    rows.emplace_back();
    for (int64_t i = 0; i < width && (*data)[r * width + i] >= 0; ++i) {
      rows.back().push_back((*data)[r * width + i]);
    }
  }
  return rows;
}

void compare_scores(const GoldenFile& file, const GoldenSelection& selection) {
  ASSERT_EQ(file.has_tensor("scores"), !selection.scores.empty());
  if (selection.scores.empty()) return;
  const int64_t n_past = static_cast<int64_t>(selection.scores[0].size());
  const auto expected =
      file.read_f32("scores", {n_past, static_cast<int64_t>(selection.scores.size()), 1});
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  double worst = 0.0;
  for (size_t i = 0; i < expected->size(); ++i) {
    const double want = (*expected)[i];
    const double got = selection.scores[i / n_past][i % n_past];
    worst = std::max(worst, std::fabs(got - want) / std::max(std::fabs(want), 1e-30));
  }
  EXPECT_LE(worst, kTolerance);
}

void compare_integers(const GoldenFile& file, const char* name, const std::vector<int64_t>& got) {
  ASSERT_EQ(file.has_tensor(name), !got.empty()) << name;
  if (got.empty()) return;
  const auto expected = file.read_i32(name, {static_cast<int64_t>(got.size()), 1, 1});
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  EXPECT_TRUE(std::equal(got.begin(), got.end(), expected->begin(), expected->end())) << name;
}

void compare_merged(const GoldenFile& file, const GoldenCase& c, const GoldenSelection& selection) {
  ASSERT_EQ(file.has_tensor("v_merged"), !selection.v_merged.empty());
  if (selection.v_merged.empty()) return;
  const auto expected = file.read_f32("v_merged", {c.head_dim, c.length, c.n_head});
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  ASSERT_EQ(expected->size(), selection.v_merged.size());
  float largest = 0.0f;
  for (float value : *expected)
    largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < expected->size(); ++i)
    ASSERT_NEAR(selection.v_merged[i], (*expected)[i], kTolerance * largest) << i;
}

void compare(const GoldenFile& file, const GoldenCase& c) {
  const auto selection = run_golden_case(c);
  ASSERT_TRUE(selection.ok()) << selection.status().message();
  const int64_t n_sel = static_cast<int64_t>(selection->indices.size());
  EXPECT_EQ(selection->indices, expected_rows(file, "indices", n_sel));
  if (file.has_tensor("indices_kv")) {
    EXPECT_EQ(selection->indices_kv, expected_rows(file, "indices_kv", c.n_head_kv));
  }
  compare_scores(file, *selection);
  compare_integers(file, "kernel", selection->kernel);
  compare_integers(file, "shift", selection->shift);
  compare_merged(file, c, *selection);
}

// How many cases of each policy tests/data/golden has.
const std::map<std::string, int> kCases = {
    {"ablation", 7},         {"adakv", 4},         {"cam", 1},     {"h2o", 1},
    {"h2o_decode", 1},       {"h2o_noncausal", 1}, {"headkv", 2},  {"l2norm", 2},
    {"lacache", 4},          {"pyramidkv", 5},     {"restkv", 21}, {"snapkv", 6},
    {"streaming_decode", 1}, {"streamingllm", 1},  {"tova", 3},
};

TEST(Golden, SelectionsEqualThePublishedCodes) {
  std::map<std::string, int> tried;
  for (const auto& [name, path] : case_files()) {
    SCOPED_TRACE(name);
    const auto file = GoldenFile::open(path);
    ASSERT_TRUE(file.ok()) << file.status().message();
    const auto c = read_golden_case(*file);
    ASSERT_TRUE(c.ok()) << c.status().message();
    compare(*file, *c);
    ++tried[c->policy];
  }
  for (const auto& [policy, count] : tried) {
    std::cout << policy << ": " << count << " cases\n";
    EXPECT_TRUE(kCases.contains(policy)) << policy;
  }
  for (const auto& [policy, count] : kCases)
    EXPECT_GE(tried[policy], count) << policy;
}

}  // namespace
}  // namespace restkv::cli
