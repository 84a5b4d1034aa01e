// Whether a program that a model wrote does what its test asks: it is given to a checker, another
// program that runs it apart (scripts/check_humaneval.py).
#pragma once

#include <string>
#include <vector>

#include "restkv/status.h"

namespace restkv {

struct ProgramChecker {
  // The checker and its arguments; no shell sees them. It reads one JSON object with "program",
  // "cpu_s", "wall_s" and "memory_mib" and answers by a line with "result" and "network".
  std::vector<std::string> command;
  int cpu_s = 10;
  int wall_s = 60;  // generous, as other processes may want the cores
  int memory_mib = 1024;
};

struct ProgramOutcome {
  std::string result;   // "passed", "timed out", "failed: ..."
  std::string network;  // what the program saw of one: "none", or "denied"

  bool passed() const { return result == "passed"; }
};

// Errors: runtime (the checker cannot be started, takes longer than it may, or answers otherwise).
Result<ProgramOutcome> check_program(const ProgramChecker& checker, const std::string& program);

}  // namespace restkv
