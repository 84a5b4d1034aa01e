#include "model/deep_stack.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>

namespace restkv {
namespace {

TEST(RunForText, RunsWorkOnceAtAnyLength) {
  for (const size_t n : {size_t{0}, size_t{5}, size_t{100000}}) {
    int n_run = 0;
    EXPECT_TRUE(run_for_text(n, [&] { ++n_run; }).ok());
    EXPECT_EQ(n_run, 1);
  }
}

// Keeps some bytes a level, as std::regex does a character: more than 8 MiB in all.
size_t recurse(size_t depth) {
  volatile char frame[256] = {};
  frame[depth % sizeof(frame)] = 1;
  return depth == 0 ? 0 : recurse(depth - 1) + frame[depth % sizeof(frame)];
}

TEST(RunForText, HasRoomForALevelOfRecursionPerByte) {
  size_t depth = 0;
  const Status status = run_for_text(50000, [&] { depth = recurse(50000); });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(depth, 50000u);
}

TEST(RunForText, TurnsExceptionsIntoErrors) {
  for (const size_t n : {size_t{1}, size_t{100000}}) {
    const Status bad = run_for_text(n, [] { throw std::out_of_range("map::at"); });
    EXPECT_EQ(bad.kind(), ErrorKind::model);
    EXPECT_NE(bad.message().find("map::at"), std::string::npos);
    EXPECT_EQ(run_for_text(n, [] { throw std::bad_alloc(); }).kind(), ErrorKind::capacity);
  }
  EXPECT_EQ(run_for_text(size_t{1} << 52, [] {}).kind(), ErrorKind::capacity);
}

}  // namespace
}  // namespace restkv
