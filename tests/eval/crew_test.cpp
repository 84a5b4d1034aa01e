// Work shared out among processes: results in order, and what happens when one of them ends.
#include "eval/crew.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

namespace restkv {
namespace {

struct Taken {
  std::vector<std::string> results;
  Status status;
};

Taken run(int n_process, int64_t n_piece, const PieceWork& work) {
  Taken taken;
  CrewPlan plan;
  plan.n_piece = n_piece;
  plan.n_process = n_process;
  plan.begin = [&]() -> Result<PieceWork> { return work; };
  plan.take = [&](int64_t i, const std::string& result) -> Status {
    EXPECT_EQ(i, static_cast<int64_t>(taken.results.size()));
    taken.results.push_back(result);
    return {};
  };
  taken.status = run_crew(plan);
  return taken;
}

TEST(Crew, ResultsComeInOrder) {
  for (const int n_process : {1, 3}) {
    const Taken taken = run(n_process, 40, [](int64_t i) -> Result<std::string> {
      usleep(static_cast<useconds_t>((i * 7 % 5) * 500));
      return std::to_string(i).append(static_cast<size_t>(i) * 1000, 'x');
    });
    ASSERT_TRUE(taken.status.ok()) << taken.status.message();
    ASSERT_EQ(taken.results.size(), 40);
    for (size_t i = 0; i < 40; ++i)
      EXPECT_EQ(taken.results[i], std::to_string(i).append(i * 1000, 'x'));
  }
}

TEST(Crew, WorkIsSharedOut) {
  const Taken taken = run(2, 20, [](int64_t) -> Result<std::string> {
    usleep(2000);
    return std::to_string(getpid());
  });
  ASSERT_TRUE(taken.status.ok());
  const std::set<std::string> pids(taken.results.begin(), taken.results.end());
  EXPECT_EQ(pids.size(), 2);
  EXPECT_FALSE(pids.contains(std::to_string(getpid())));
}

TEST(Crew, AnErrorArrives) {
  for (const int n_process : {1, 2}) {
    const Taken taken = run(n_process, 10, [](int64_t i) -> Result<std::string> {
      if (i == 3) return Status::capacity("no room");
      return std::string("done");
    });
    EXPECT_EQ(taken.status.kind(), ErrorKind::capacity);
    EXPECT_EQ(taken.status.message(), "no room");
    EXPECT_LE(taken.results.size(), 3);
  }
}

TEST(Crew, AKilledProcessIsAnError) {
  const Taken taken = run(2, 10, [](int64_t i) -> Result<std::string> {
    if (i == 4) raise(SIGKILL);
    return std::string("done");
  });
  EXPECT_EQ(taken.status.kind(), ErrorKind::runtime);
  EXPECT_NE(taken.status.message().find("signal 9"), std::string::npos) << taken.status.message();
}

TEST(Crew, CancelEndsIt) {
  for (const int n_process : {1, 2}) {
    const std::atomic<bool> cancel{true};
    CrewPlan plan;
    plan.n_piece = 5;
    plan.n_process = n_process;
    plan.cancel = &cancel;
    plan.begin = []() -> Result<PieceWork> {
      return PieceWork([](int64_t) -> Result<std::string> { return std::string(); });
    };
    plan.take = [](int64_t, const std::string&) -> Status { return {}; };
    EXPECT_EQ(run_crew(plan).kind(), ErrorKind::runtime);
  }
}

TEST(Crew, NothingToDo) {
  EXPECT_TRUE(run(3, 0, {}).status.ok());
}

}  // namespace
}  // namespace restkv
