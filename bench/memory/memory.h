// Anonymous memory at its peak, of restkv and of libllama, each in a process of its own. See
// README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/common/agreement.h"
#include "bench/common/stats.h"
#include "restkv/options.h"

namespace restkv::bench {

enum class Reader { restkv, libllama };

// What a watched process is to do: load, read a prompt, decode a little.
struct ReaderTask {
  Reader reader = Reader::restkv;
  std::string model{};
  int n_threads = 1;
  Kernels kernels = Kernels::automatic;  // restkv's
  std::string text{};                    // of the prompt; empty: the ledger
  int64_t prompt_tokens = 0;
  CacheConfig config{};  // restkv's
};

struct ReaderReport {
  int64_t entries = 0, planned = 0;               // behind the prompt
  int64_t kv_peak_bytes = 0, kv_bytes = 0;        // while reading, behind it
  int64_t kv_layer_bytes = 0, kv_full_bytes = 0;  // of one layer's full cache in f16, of all
  bool as_planned = true;
  std::vector<float> logits{};  // of what follows the prompt
};

// In the watched process. Errors: as Model::load(), prefill() and decode(), or Libllama.
Result<ReaderReport> run_reader(const ReaderTask& task);
// What goes through the pipe to the process that watches, which runs the same program.
std::string pack(const ReaderReport& report);

struct MemoryRow {
  std::string policy{};
  int64_t prompt_tokens = 0;
  Spread restkv{}, libllama{};  // bytes at the peak
  Ratio ratio{};
  double restkv_short = 0, libllama_short = 0;  // the same behind a prompt of 64 tokens
  ReaderReport report{};                        // restkv's
  double kv_ratio() const {                     // K/V peak / (one full layer and what is kept)
    return static_cast<double>(report.kv_peak_bytes) /
           static_cast<double>(report.kv_layer_bytes + report.kv_bytes);
  }
  Agreement agreement{};
  bool counts = false;
};

struct MemoryScenario {
  std::vector<int64_t> prompt_tokens{};
  std::vector<std::string> policies{};
  int n_repeat = 1;
  // Arguments that make this program run_reader() and write pack() to stdout.
  std::function<std::vector<std::string>(Reader, const std::string& policy, int64_t n)> arguments{};
  std::function<void(const std::string&)> on_step{};
};

// Errors: as run_watched().
Result<std::vector<MemoryRow>> run_memory(const MemoryScenario& scenario);

}  // namespace restkv::bench
