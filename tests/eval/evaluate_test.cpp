// Whole runs on a tiny model: lines, going on, processes, shards.
#include "eval/evaluate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "eval/merge.h"
#include "eval/result_file.h"
#include "tests/engine/tiny_model.h"
#include "tests/eval/results.h"

namespace restkv {
namespace {

using test::made_config;
using test::TempFile;

// Texts that count; the right answer is the letter "a".
class MadeSource : public SampleSource {
 public:
  explicit MadeSource(int64_t n) : n_(n) {}
  int64_t size() const override { return n_; }
  Result<Sample> sample(int64_t i) const override {
    Sample sample;
    sample.id = "s" + std::to_string(i);
    for (int64_t k = 0; k < 40 + i; ++k)
      sample.prompt += std::to_string(k * (i + 3));
    sample.n_new = 6;
    sample.fields = {{"outputs", {"a"}}, {"length", 7}, {"score", "taken"}};
    return sample;
  }

 private:
  int64_t n_;
};

class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest() : out_("run") {}
  ~EvaluateTest() override { std::filesystem::remove(out_.path() + ".times.jsonl"); }

  Evaluation evaluation(int64_t n_sample, const std::vector<std::string>& policies) const {
    Evaluation e;
    e.benchmark = "ruler";
    e.cells.push_back({"vt", 128, std::make_shared<MadeSource>(n_sample)});
    e.cells.push_back({"fwe", std::nullopt, std::make_shared<MadeSource>(n_sample)});
    CacheConfig base;
    base.policy.window = 8;
    e.variants = *make_variants(
        {.policies = policies, .budgets = {32, 48}, .kernels = {5}, .ada = {}}, base);
    e.engine = {.n_threads = 1, .kernels = Kernels::ggml};
    e.prompt.n_ctx_train = 512;
    e.config = made_config();
    e.measure =
        generate_and_score([](const std::string&, const Sample&, const std::string& prediction) {
          SampleScore score;
          score.value = prediction.find('a') == std::string::npos ? 0 : 1;
          score.others["length"] = prediction.size();
          return Result<SampleScore>(score);
        });
    e.out = out_.path();
    return e;
  }

  int64_t run(const Evaluation& e) const {
    const auto outcome = evaluate(*test::tiny_model(), e);
    EXPECT_TRUE(outcome.ok()) << outcome.status().message();
    return outcome.ok() ? outcome->n_answered : -1;
  }

  std::string fresh(const Evaluation& e) const {
    std::filesystem::remove(out_.path());
    run(e);
    return out_.content();
  }

  TempFile out_;
};

TEST_F(EvaluateTest, LinesSayWhatWasRun) {
  fresh(evaluation(2, {"full", "snapkv"}));
  std::vector<StoredLine> lines;
  const auto cut = for_each_result_line(out_.path(), [&](const StoredLine& line, std::string_view) {
    lines.push_back(line);
    return Status();
  });
  ASSERT_TRUE(cut.ok());
  ASSERT_EQ(lines.size(), 2 * 2 * 3);
  const nlohmann::ordered_json& first = lines[0].record;
  EXPECT_EQ(first["task"], "vt");
  EXPECT_EQ(first["length"], 128);
  EXPECT_EQ(first["sample"], "s0");
  EXPECT_EQ(first["variant"], "full");
  EXPECT_EQ(first["batch"], 3);
  EXPECT_TRUE(first["kv"]["budget"].is_null());
  EXPECT_EQ(first["kv"]["bytes"], first["kv"]["full_bytes"]);
  EXPECT_EQ(first["outputs"], nlohmann::json::array({"a"}));
  EXPECT_EQ(first["config"], made_config());
  EXPECT_TRUE(first["score"].is_number());
  EXPECT_EQ(lines[1].variant, "snapkv k5 B32 window=8");
  EXPECT_EQ(lines[1].record["kv"]["kernel"], 5);
  EXPECT_LT(lines[1].record["kv"]["bytes"], first["kv"]["bytes"]);
  // A length in words steps aside for the one in tokens.
  EXPECT_TRUE(lines.back().record["length"].is_null());
  EXPECT_EQ(lines.back().record["words"], 7);
}

TEST_F(EvaluateTest, GoesOnWhereItsFileEnds) {
  const Evaluation e = evaluation(3, {"full", "snapkv"});
  const std::string whole = fresh(e);
  EXPECT_EQ(run(e), 0);
  EXPECT_EQ(out_.content(), whole);
  for (const double share : {0.0, 0.1, 0.37, 0.5, 0.93, 0.999}) {
    const auto n = static_cast<size_t>(share * static_cast<double>(whole.size()));
    out_.write(whole.substr(0, n));
    EXPECT_GT(run(e), 0);
    EXPECT_EQ(out_.content(), whole) << share;
  }
}

TEST_F(EvaluateTest, VariantsAndSamplesCanBeAdded) {
  fresh(evaluation(2, {"full"}));
  EXPECT_EQ(run(evaluation(2, {"full", "snapkv"})), 4);
  EXPECT_EQ(run(evaluation(3, {"snapkv", "full"})), 2);
  EXPECT_EQ(run(evaluation(3, {"snapkv", "full"})), 0);
  const std::string content = out_.content();
  EXPECT_EQ(std::ranges::count(content, '\n'), 2 * 3 * 3);
}

TEST_F(EvaluateTest, ProcessesWriteTheSameFile) {
  Evaluation e = evaluation(4, {"full", "snapkv"});
  const std::string whole = fresh(e);
  e.n_process = 3;
  EXPECT_EQ(fresh(e), whole);
  out_.write(whole.substr(0, whole.size() / 2));
  run(e);
  EXPECT_EQ(out_.content(), whole);
}

// What is decoded together is the same again when a run goes on.
TEST_F(EvaluateTest, SamplesAreAnsweredTogether) {
  const std::string apart = fresh(evaluation(5, {"full", "snapkv"}));
  for (const int n : {2, 3, 5, 8}) {
    Evaluation e = evaluation(5, {"full", "snapkv"});
    e.n_together = n;
    EXPECT_EQ(fresh(e), apart) << n;
    EXPECT_EQ(run(e), 0);
    for (const double share : {0.1, 0.37, 0.5, 0.93}) {
      out_.write(apart.substr(0, static_cast<size_t>(share * static_cast<double>(apart.size()))));
      EXPECT_GT(run(e), 0);
      EXPECT_EQ(out_.content(), apart) << n << ", " << share;
    }
    e.n_process = 2;
    EXPECT_EQ(fresh(e), apart) << n;
  }
}

// There is work for one process: the others are not started, and nothing is lost.
TEST_F(EvaluateTest, OneGroupInSeveralProcesses) {
  Evaluation e = evaluation(3, {"full", "snapkv"});
  e.cells.pop_back();
  const std::string whole = fresh(e);
  e.n_process = 2;
  e.n_together = 4;
  EXPECT_EQ(fresh(e), whole);
}

TEST_F(EvaluateTest, WhatIsNotDecodedTogetherIsNotGrouped) {
  Evaluation e = evaluation(4, {"full"});
  e.n_together = 4;
  size_t most = 0;
  e.measure = {.run = [&, run = e.measure.run](std::span<const MeasureInput> inputs) {
    most = std::max(most, inputs.size());
    return run(inputs);
  }};
  fresh(e);
  EXPECT_EQ(most, 1u);
  e.measure.decodes_together = true;
  fresh(e);
  EXPECT_EQ(most, 4u);
}

// By variants, samples and memory.
TEST_F(EvaluateTest, UsualGroups) {
  HParams hp = test::tiny_model()->hparams();
  EXPECT_EQ(usual_together(hp, evaluation(100, {"full", "snapkv"})), 8);
  EXPECT_EQ(usual_together(hp, evaluation(12, {"full", "snapkv"})), 3);
  EXPECT_EQ(usual_together(hp, evaluation(1, {"full", "snapkv"})), 1);
  Evaluation many = evaluation(100, {"snapkv", "rest-kv", "tova", "h2o"});
  while (many.variants.size() < 40)
    many.variants.push_back(many.variants[0]);
  EXPECT_EQ(usual_together(hp, many), 2);
  hp.n_layer = 4000;
  hp.n_ctx_train = 1 << 20;
  Evaluation large = evaluation(100, {"full"});
  large.prompt.max_length = 1 << 20;
  EXPECT_EQ(usual_together(hp, large), 1);
}

TEST_F(EvaluateTest, ShardsMergeToTheWhole) {
  Evaluation e = evaluation(4, {"full", "snapkv"});
  const std::string whole = fresh(e);
  const TempFile parts[] = {TempFile("part0"), TempFile("part1"), TempFile("part2")};
  std::vector<std::string> paths;
  for (int64_t i = 0; i < 3; ++i) {
    e.shard = {.index = i, .count = 3};
    e.out = parts[i].path();
    paths.push_back(e.out);
    run(e);
    std::filesystem::remove(e.out + ".times.jsonl");
  }
  const auto merged = merge_results(paths);
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(merged->content, whole);
}

TEST_F(EvaluateTest, ErrorsNameTheSample) {
  Evaluation e = evaluation(2, {"full"});
  e.measure = one_by_one(
      [](const MeasureInput&) -> Result<Measured> { return Status::model("no answers"); });
  const auto outcome = evaluate(*test::tiny_model(), e);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.status().message(), "vt 128, sample s0: no answers");
}

}  // namespace
}  // namespace restkv
