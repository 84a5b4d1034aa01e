#include "cli/runtime.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>

#include "ggml.h"
#include "llama.h"
#include "model/tokenizer.h"

namespace restkv::cli {
namespace {

std::atomic<bool> interrupted{false};
std::atomic<bool> computing{false};  // somebody looks at `interrupted`

void on_interrupt(int signal) {
  const bool again = interrupted.exchange(true);
  if (again || !computing) _exit(128 + signal);
}

std::string one_line(std::string_view message) {
  std::string text(message);
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

// Where a file is written first, so that it takes the name's place when it is whole.
std::string draft_of(const std::string& path) {
  return path + "." + std::to_string(getpid()) + ".tmp";
}

// What a path that is a link stands for in the end, though there may be nothing yet.
std::string behind_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the system follows
  std::filesystem::path target = path;
  std::error_code error;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(target, error); ++i)
    target = target.parent_path() / std::filesystem::read_symlink(target, error);
  return target.string();
}

bool is_file_of(int fd, const struct stat& file) {
  struct stat info {};
  return fstat(fd, &info) == 0 && info.st_dev == file.st_dev && info.st_ino == file.st_ino;
}

// A device, a pipe, or a file that this process writes to already (/dev/stdout): nothing can take
// its place, what is written goes behind what is there.
bool is_special(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) return false;
  return !S_ISREG(info.st_mode) || is_file_of(STDOUT_FILENO, info) ||
         is_file_of(STDERR_FILENO, info);
}

bool write_all(FILE* file, std::string_view content) {
  return std::fwrite(content.data(), 1, content.size(), file) == content.size() &&
         std::fflush(file) == 0;
}

Status cannot_write(const std::string& path) {
  return Status::runtime("cannot write " + path + ": " + std::strerror(errno));
}

Status write_special(const std::string& path, std::string_view content) {
  FILE* const file = std::fopen(path.c_str(), "ab");
  if (file == nullptr) return cannot_write(path);
  const Status status = write_all(file, content) ? Status() : cannot_write(path);
  std::fclose(file);
  return status;
}

}  // namespace

void quiet_libraries() {
  const auto ignore = [](ggml_log_level, const char*, void*) {};
  ggml_log_set(ignore, nullptr);
  llama_log_set(ignore, nullptr);
}

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;  // a blocked write goes on, and no text is lost
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of writing, not the end of the process
}

const std::atomic<bool>* begin_interruptible() {
  computing = true;
  return &interrupted;
}

void end_interruptible() {
  computing = false;
  interrupted = false;
}

int report(const Status& status) {
  std::cerr << "restkv: " << one_line(status.message()) << std::endl;
  return exit_code(status.kind());
}

void warn(std::string_view message) {
  std::cerr << "restkv: warning: " << one_line(message) << std::endl;
}

void warn_beyond_training(std::string_view what, size_t n_token, const HParams& hparams) {
  if (n_token <= hparams.n_ctx_train) return;
  warn("the " + std::string(what) + " has " + std::to_string(n_token) +
       " tokens, the model was trained on " + std::to_string(hparams.n_ctx_train));
}

Status flush_output() {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::cout.good()) return {};
  return Status::runtime("standard output could not be written");
}

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressLine::show(const std::string& text) {
  if (!terminal_) return;
  const size_t width = text.size();
  std::cerr << '\r' << text << std::string(width_ > width ? width_ - width : 0, ' ') << std::flush;
  width_ = width;
}

void ProgressLine::clear() {
  if (!terminal_ || width_ == 0) return;
  std::cerr << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
}

void ProgressLine::prefill(const PrefillProgress& p) {
  if (!terminal_) return;
  char text[128];
  std::snprintf(text, sizeof text, "reading: %3.0f %%  layer %d of %d, token %lld of %lld",
                100 * p.fraction, p.layer + 1, p.n_layer, static_cast<long long>(p.n_done),
                static_cast<long long>(p.n_token));
  show(text);
}

std::string input_name(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

Result<std::string> read_bytes(const std::string& path) {
  const bool standard_input = path == "-";
  const std::string name = input_name(path);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      standard_input ? stdin : std::fopen(path.c_str(), "rb"),
      standard_input ? [](FILE*) { return 0; } : std::fclose);
  if (!file) return Status::model("cannot open " + name + ": " + std::strerror(errno));
  std::string content;
  char block[1 << 16];
  while (const size_t n = std::fread(block, 1, sizeof block, file.get()))
    content.append(block, n);
  if (std::ferror(file.get()) != 0) {
    return Status::model("cannot read " + name + ": " + std::strerror(errno));
  }
  return content;
}

Result<std::string> read_text(const std::string& path) {
  RESTKV_ASSIGN_OR_RETURN(std::string content, read_bytes(path));
  if (!is_valid_utf8(content)) return Status::model(input_name(path) + " is not valid UTF-8");
  return content;
}

Status check_writable(const std::string& path) {
  if (is_special(path)) return access(path.c_str(), W_OK) == 0 ? Status() : cannot_write(path);
  const std::string draft = draft_of(behind_links(path));
  struct stat info {};
  const bool folder = stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  FILE* const file = folder ? nullptr : std::fopen(draft.c_str(), "wb");
  if (file == nullptr) {
    return Status::runtime("cannot write " + path + ": " +
                           (folder ? "it is a folder" : std::strerror(errno)));
  }
  std::fclose(file);
  unlink(draft.c_str());
  return {};
}

Status write_file(const std::string& path, std::string_view content) {
  if (is_special(path)) return write_special(path, content);
  const std::string target = behind_links(path), draft = draft_of(target);
  const auto failed = [&] {
    const Status status = cannot_write(path);
    unlink(draft.c_str());
    return status;
  };
  FILE* const file = std::fopen(draft.c_str(), "wb");
  if (file == nullptr) return failed();
  const bool written = write_all(file, content) && fsync(fileno(file)) == 0;
  if (!written) {
    const int error = errno;
    std::fclose(file);
    errno = error;
    return failed();
  }
  if (std::fclose(file) != 0 || std::rename(draft.c_str(), target.c_str()) != 0) return failed();
  return {};
}

size_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

void print_json(const nlohmann::ordered_json& document) {
  std::cout << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

}  // namespace restkv::cli
