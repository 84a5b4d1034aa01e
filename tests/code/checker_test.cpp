// The process that runs programs, from this side: requests, answers, what goes wrong.
#include <gtest/gtest.h>

#include "eval/program_checker.h"

namespace restkv {
namespace {

ProgramChecker with(std::vector<std::string> command) {
  return {.command = std::move(command)};
}

ProgramChecker shell(const std::string& script) {
  return with({"/bin/sh", "-c", script});
}

TEST(ProgramChecker, TakesTheLastLineOfAnAnswer) {
  const auto outcome = check_program(
      shell(R"(cat >/dev/null; echo noise >&2; echo '{"result": "failed: x", "network": "none"}')"),
      "program");
  ASSERT_TRUE(outcome.ok()) << outcome.status().message();
  EXPECT_EQ(outcome->result, "failed: x");
  EXPECT_EQ(outcome->network, "none");
  EXPECT_FALSE(outcome->passed());
}

TEST(ProgramChecker, SendsTheWholeProgram) {
  const std::string program(1 << 20, 'x');
  const auto outcome =
      check_program(shell(R"(n=$(wc -c); echo "{\"result\": \"$n\", \"network\": 3}")"), program);
  ASSERT_TRUE(outcome.ok()) << outcome.status().message();
  EXPECT_GT(std::stoll(outcome->result), 1 << 20);
  EXPECT_EQ(outcome->network, "");
}

TEST(ProgramChecker, SaysWhatWentWrong) {
  const std::string program(1 << 20, 'x');  // more than one that does not listen will take
  for (const auto& [checker, part] : {std::pair(with({"/no/such/checker"}), "/no/such/checker"),
                                      {with({"/bin/true"}), "said nothing"},
                                      {shell("echo first; echo why not; exit 1"), "why not"},
                                      {shell("echo '{}'"), "{}"},
                                      {shell("echo '{\"result\": 1}'"), "result"}}) {
    const auto outcome = check_program(checker, program);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.status().kind(), ErrorKind::runtime);
    EXPECT_NE(outcome.status().message().find(part), std::string::npos)
        << outcome.status().message();
    EXPECT_EQ(outcome.status().message().find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace restkv
