#include <algorithm>

#include <gtest/gtest.h>

#include "lines.h"
#include "report/heat_maps.h"
#include "report/left_out.h"
#include "report/markdown.h"
#include "report/memory_table.h"
#include "report/numbers.h"
#include "report/paper.h"
#include "report/score_tables.h"
#include "report/sections.h"

namespace restkv::report {
namespace {

ReportOptions quick() {
  ReportOptions options;
  options.title = "Test";
  options.resampling.n_resample = 200;
  return options;
}

Estimates estimate_all(const Section& section) {
  return estimate(section, scopes_of(section),
                  quantities_of(section, comparisons_of(section, {"snapkv"})), quick().resampling);
}

TEST(Numbers, AreWrittenAlike) {
  EXPECT_EQ(fixed(83.6, 2), "83.60");
  EXPECT_EQ(fixed(-0.001, 2), "0.00");
  EXPECT_EQ(fixed_signed(5.2, 1), "+5.2");
  EXPECT_EQ(fixed_signed(-5.25, 2), "-5.25");
  EXPECT_EQ(fixed_signed(0.001, 2), "0.00");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-123), "-123");
  EXPECT_EQ(counted(1, "line"), "1 line");
  EXPECT_EQ(counted(4096, "line"), "4,096 lines");
  EXPECT_EQ(score_text(Estimate{83.6, Interval{78.14, 88.9}, 40}), "83.60 [78.1, 88.9]");
  EXPECT_EQ(score_text(Estimate{83.6, {}, 1}), "83.60");
  EXPECT_EQ(difference_text(Estimate{5.2, Interval{1.1, 9.4}, 40}), "+5.20 [+1.1, +9.4] *");
  EXPECT_EQ(difference_text(Estimate{0, Interval{0, 0}, 40}), "0.00 [0.0, 0.0]");
  EXPECT_EQ(score_text(std::nullopt), "");
}

// One sample a cell, so that no interval moves with the random numbers.
TEST(Markdown, Snapshot) {
  LineSpec rest = evicted("rest-kv", 64, 21), snap = evicted("snapkv", 64, 21);
  rest.score = 0.75;
  snap.score = 0.5;
  snap.bytes = 2048;
  const Results results = load({{LineSpec()}, {rest}, {snap}});
  ReportOptions options = quick();
  options.title = "A | B <script>";
  Document document = make_document(results, 2, options);
  document.method.clear();
  for (Chapter& chapter : document.sections[0].chapters)
    chapter.notes.clear();
  EXPECT_EQ(markdown(document), R"(# A \| B &lt;script>

- 3 result lines read.
- 2 malformed lines skipped (--skip-bad).

## ruler, tiny

- model bytes: 98
- model family: llama
- model name: tiny
- prompt style: raw
- restkv: 0.1.0
- seed: 42

### Scores

**vt, 4,096 tokens; full: 100.00, n 1**

| variant | B 64 | n |
| --- | ---: | ---: |
| rest-kv k21 | 75.00 | 1 |
| snapkv k21 | 50.00 | 1 |

### Paired differences

**vt, 4,096 tokens**

| variant | minus | B 64 | pairs |
| --- | --- | ---: | ---: |
| rest-kv k21 | full | -25.00 | 1 |
| snapkv k21 | full | -50.00 | 1 |
| rest-kv k21 | snapkv k21 | +25.00 | 1 |

### Score by bytes of KV

**vt, 4,096 tokens**

| variant | cache per | budget | KV, KiB | of full, % | score |
| --- | --- | ---: | ---: | ---: | ---: |
| full | KV heads | | 1.0 | 12.50 | 100.00 |
| rest-kv k21 | KV heads | 64 | 1.0 | 12.50 | 75.00 |
| snapkv k21 | KV heads | 64 | 2.0 | 25.00 | 50.00 |
)");
}

TEST(ScoreTables, WithoutBudgetsAllTasksStandInOne) {
  LineSpec short_vt, fwe;
  short_vt.length = 2048;
  short_vt.score = 0.5;
  fwe.task = "fwe";
  fwe.score = 0.25;
  const Results results = load({{LineSpec()}, {short_vt}, {fwe}});
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  const Chapter chapter = score_chapter(section, estimates);
  ASSERT_EQ(chapter.tables.size(), 1U);
  const Table& table = chapter.tables[0];
  const std::vector<std::string> columns = {"task", "variant", "2,048 tokens", "4,096 tokens", "n"};
  EXPECT_EQ(table.columns, columns);
  const std::vector<std::vector<std::string>> rows = {
      {"mean over tasks", "full", "", "62.50", "2"},
      {"vt", "full", "50.00", "100.00", "1"},
      {"fwe", "full", "", "25.00", "1"},
  };
  EXPECT_EQ(table.rows, rows);
  EXPECT_TRUE(memory_chapter(section, estimates).tables.empty());
}

TEST(LeftOut, IsSaid) {
  LineSpec fwe, h2o = evicted("h2o", 64), other_task = evicted("rest-kv", 64, 5);
  fwe.task = "fwe";
  h2o.score = nullptr;
  h2o.over_budget = 2;
  other_task.truncated = 5;
  const Results results = load({{LineSpec()}, {fwe}, {h2o}, {other_task}});
  const Section& section = results.sections[0];
  const std::vector<std::string> sentences = left_out(section, estimate_all(section));
  const std::vector<std::string> expected = {
      "1 line without a score (the published scorer ends with an error there): h2o B64.",
      "Samples without a partner, left out of differences: rest-kv k5 B64 minus full (1), "
      "h2o B64 minus full (2).",
      "No mean over tasks, 4,096 tokens of variants that lack scores in one of its tasks: "
      "rest-kv k5 B64, h2o B64.",
      "1 line with a prompt that was cut to the model's length.",
      "More entries than the budget, by the method's own arithmetic (kv.over_budget): h2o B64."};
  EXPECT_EQ(sentences, expected);
}

TEST(HeatMaps, HaveAMeanACell) {
  std::vector<LineSpec> specs;
  for (const int length : {1000, 2000}) {
    for (const int depth : {0, 50}) {
      LineSpec spec;
      spec.benchmark = spec.task = "niah";
      spec.length = length;
      spec.depth = depth;
      spec.sample = std::to_string(depth);
      spec.score = depth == 0 ? 1.0 : 0.5;
      if (length == 1000 || depth == 0) specs.push_back(spec);
    }
  }
  const Results results = load({specs});
  const Chapter chapter = heat_map_chapter(results.sections[0], 24);
  ASSERT_EQ(chapter.maps.size(), 1u);
  const HeatMap& map = chapter.maps[0];
  EXPECT_EQ(map.lengths, (std::vector<std::string>{"1,000", "2,000"}));
  EXPECT_EQ(map.depths, (std::vector<std::string>{"0", "50"}));
  EXPECT_EQ(map.scores, (std::vector<std::optional<double>>{1.0, 1.0, 0.5, std::nullopt}));
  EXPECT_TRUE(heat_map_chapter(results.sections[0], 0).maps.empty());
  EXPECT_EQ(heat_map_chapter(results.sections[0], 0).notes.back(),
            "1 more map left out: --maps allows 0.");
}

TEST(Paper, StandsBesideTheSameBenchmark) {
  LineSpec fwe, snap = evicted("snapkv", 1024, 21), snap_fwe = snap;
  fwe.task = snap_fwe.task = "fwe";
  const Results results = load({{LineSpec()}, {fwe}, {snap}, {snap_fwe}});
  const Section& section = results.sections[0];
  const Chapter chapter = paper_chapter(section, estimate_all(section));
  ASSERT_EQ(chapter.tables.size(), 1u);
  const auto& rows = chapter.tables[0].rows;
  EXPECT_EQ(chapter.tables[0].columns,
            (std::vector<std::string>{"method", "source", "4,096", "8,192", "16,384", "32,768",
                                      "65,536", "131,072", "average"}));
  EXPECT_EQ(rows[0][2], "99.34");
  EXPECT_EQ(rows[1][1], "here, full");
  EXPECT_EQ(rows[1][2], "100.00");
  EXPECT_TRUE(std::ranges::any_of(
      rows, [](const auto& row) { return row[0] == "SnapKV" && row[1] == "here, snapkv k21"; }));
}

TEST(Paper, HasNothingBesideOthers) {
  LineSpec spec;
  spec.benchmark = "niah";
  const Results results = load({{spec}});
  const Section& section = results.sections[0];
  EXPECT_TRUE(paper_chapter(section, estimate_all(section)).tables.empty());
}

}  // namespace
}  // namespace restkv::report
