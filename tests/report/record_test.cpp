#include "report/record.h"

#include <gtest/gtest.h>

#include "lines.h"

namespace restkv::report {
namespace {

using nlohmann::json;

std::string error_of(const json& line) {
  const auto record = read_record(line, measures_of("ruler")[0]);
  return record.ok() ? "" : record.status().message();
}

TEST(Record, IsRead) {
  LineSpec spec = evicted("rest-kv", 128, 21);
  spec.variant = "rest-kv+ada k21 B128 alpha=0.5";
  spec.head_budget = "ada";
  spec.score = 0.5;
  spec.over_budget = 3;
  const auto record = read_record(line_of(spec), measures_of("ruler")[0]);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->series.name, "rest-kv+ada k21 alpha=0.5");
  EXPECT_EQ(record->series.kernel, 21);
  EXPECT_TRUE(record->series.has_splits());
  EXPECT_EQ(record->budget, 128);
  EXPECT_EQ(record->length, 4096);
  EXPECT_EQ(record->score, 0.5);
  EXPECT_EQ(record->kv_bytes, 1024);
  EXPECT_EQ(record->over_budget, 3);
  EXPECT_FALSE(record->truncated);
}

TEST(Record, FullCacheHasNoBudget) {
  LineSpec spec;
  spec.budget = 1024;
  EXPECT_EQ(read_record(line_of(spec), measures_of("ruler")[0])->budget, 0);
}

// Its records carry a length in words, which is no target.
TEST(Record, LongBenchHasNoLength) {
  LineSpec spec;
  spec.benchmark = "longbench";
  spec.length = 3619;
  EXPECT_FALSE(read_record(line_of(spec), measures_of("ruler")[0])->length.has_value());
}

TEST(Record, NullIsNoScore) {
  LineSpec spec;
  spec.score = nullptr;
  EXPECT_FALSE(read_record(line_of(spec), measures_of("ruler")[0])->score.has_value());
}

TEST(Record, BadOnesAreNamed) {
  const auto with = [](const char* pointer, json value) {
    json line = line_of(evicted("snapkv", 64, 5));
    line[json::json_pointer(pointer)] = std::move(value);
    return error_of(line);
  };
  EXPECT_EQ(with("/score", 1.5), "field score is 1.5, it must be a number in [0.0,1.0]");
  EXPECT_EQ(with("/score", "high"), "field score is \"high\", it must be a number in [0.0,1.0]");
  EXPECT_EQ(with("/benchmark", nullptr), "field benchmark is missing");
  EXPECT_EQ(with("/variant", 7), "field variant is 7, it must be a string");
  EXPECT_EQ(with("/length", -1), "field length is -1, it must be a whole number, not negative");
  EXPECT_EQ(with("/kv", json::array()), "field kv is [], it must be an object");
  EXPECT_EQ(with("/kv/bytes", "x"), "field bytes is \"x\", it must be a number in [0.0,1e+18]");
  EXPECT_EQ(with("/sample", 0.5), "field sample is 0.5, it must be a string or a whole number");
  EXPECT_EQ(with("/config", "raw"), "field config is \"raw\", it must be an object");
  json line = line_of({});
  line.erase("score");
  EXPECT_EQ(error_of(line), "field score is missing");
}

}  // namespace
}  // namespace restkv::report
