// Lines of JSON as every file of records is read.
#include "scores/record.h"

#include <string>

#include <gtest/gtest.h>

#include "core/json_depth.h"

namespace restkv {
namespace {

std::string nested(int depth) {
  return "{\"a\": " + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
}

TEST(ParseRecord, TakesObjects) {
  EXPECT_TRUE(parse_record(R"({"a": 1})").ok());
  EXPECT_NE(parse_record("[1]").status().message().find("type array"), std::string::npos);
  EXPECT_NE(parse_record("{").status().message().find("not JSON"), std::string::npos);
}

// What is parsed is copied and compared by recursion.
TEST(ParseRecord, RefusesDeepNesting) {
  EXPECT_TRUE(parse_record(nested(kMaxJsonDepth)).ok());
  for (const int depth : {kMaxJsonDepth + 1, 400000}) {
    const auto record = parse_record(nested(depth));
    ASSERT_FALSE(record.ok());
    EXPECT_EQ(record.status().message(),
              "the JSON is nested " + std::to_string(depth) + " deep, allowed: 200");
  }
}

TEST(ParseRecord, BracketsInStringsAreText) {
  const std::string brackets(1000, '[');
  EXPECT_TRUE(parse_record(R"({"a": "\"\\)" + brackets + R"("})").ok());
  const auto record = parse_record(R"({"a": "\\", "b": )" + brackets + "}");
  EXPECT_NE(record.status().message().find("nested"), std::string::npos);
}

}  // namespace
}  // namespace restkv
