// What the process around a command needs: messages, progress, signals, input files.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/prefill.h"
#include "restkv/status.h"

namespace restkv::cli {

// Quiets ggml and libllama, whose logs would mix with ours.
void quiet_libraries();

// Ctrl-C ends the process with exit code 130 at once, until begin_interruptible() has been called.
void install_signal_handlers();
// From here on Ctrl-C sets the flag that is returned; a second one ends the process at once.
const std::atomic<bool>* begin_interruptible();
// Nobody looks at the flag any more: it is cleared, and Ctrl-C ends the process again.
void end_interruptible();

// Prints "restkv: <message>" to stderr as one line and yields the exit code.
int report(const Status& status);
void warn(std::string_view message);

// Longer than the model was trained on: allowed, but said.
void warn_beyond_training(std::string_view what, size_t n_token, const HParams& hparams);

// Everything written to stdout has arrived. Error: runtime (a full disk, a closed pipe).
Status flush_output();

// A progress line on stderr, on a terminal only.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  void show(const std::string& text);
  void clear();
  void prefill(const PrefillProgress& progress);

 private:
  bool terminal_ = false;
  size_t width_ = 0;
};

// What messages call an input file: "-" is standard input.
std::string input_name(const std::string& path);
// The whole file, "-" for standard input. Error: model (unreadable).
Result<std::string> read_bytes(const std::string& path);
// The same, for a text. Errors: model (unreadable, not UTF-8).
Result<std::string> read_text(const std::string& path);

// The whole file, through a temporary one beside it: what was there stays until all is on disk.
// Links are followed. A device, a pipe, and the file that stdout is, are written as they are, at
// their end. Error: runtime.
Status write_file(const std::string& path, std::string_view content);

// Whether write_file() could begin, before hours of work depend on it. Error: runtime.
Status check_writable(const std::string& path);

size_t peak_rss_bytes();

// JSON to stdout; strings that are not UTF-8 are repaired with U+FFFD.
void print_json(const nlohmann::ordered_json& document);

}  // namespace restkv::cli
