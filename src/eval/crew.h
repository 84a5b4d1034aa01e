// Numbered pieces of work, done in this process or in several that were split off from it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "restkv/status.h"

namespace restkv {

// What one process does: the result of piece i, in bytes.
using PieceWork = std::function<Result<std::string>(int64_t i)>;

struct CrewPlan {
  int64_t n_piece = 0;
  int n_process = 1;
  // Makes what a process works with; called in that process, once.
  std::function<Result<PieceWork>()> begin;
  // Takes the results in the order of their pieces, in this process.
  std::function<Status(int64_t i, const std::string& result)> take;
  // Called now and then while this process waits for others. May be empty.
  std::function<void()> on_wait;
  const std::atomic<bool>* cancel = nullptr;  // may be null
};

// With one process: all of it here. With more, this one only hands out pieces and takes results,
// while processes that were split off by fork() work on whichever piece is next; what was loaded
// before is theirs without a copy. They end when this process ends, however it ends.
// REQUIRES: with more than one process, this one has no other thread.
// Errors: the first of a piece; runtime (a process that was killed, the system, cancelled). Results
// that came before it have been taken, up to the first that is missing.
Status run_crew(const CrewPlan& plan);

}  // namespace restkv
