// Runs this program once more and watches its memory from outside.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "restkv/status.h"

namespace restkv::bench {

struct Watched {
  std::string output;  // what it wrote to stdout
  size_t anonymous_peak_bytes = 0;
  int n_sample = 0;
};

// The arguments this process was started with, the program's name left out. Error: runtime.
Result<std::vector<std::string>> own_arguments();

// Samples RssAnon every 10 ms until the process ends; its stderr is ours.
// Error: runtime (it does not start, or ends with another exit code than 0).
Result<Watched> run_watched(const std::vector<std::string>& arguments);

}  // namespace restkv::bench
