#include "cli/runtime.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "ggml.h"
#include "llama.h"
#include "model/tokenizer.h"

namespace restkv::cli {
namespace {

std::atomic<bool> interrupted{false};

void on_interrupt(int) {
  if (interrupted.exchange(true)) _exit(130);
}

std::string one_line(std::string_view message) {
  std::string text(message);
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

}  // namespace

void quiet_libraries() {
  const auto ignore = [](ggml_log_level, const char*, void*) {};
  ggml_log_set(ignore, nullptr);
  llama_log_set(ignore, nullptr);
}

const std::atomic<bool>* install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return &interrupted;
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
  const double done = (p.layer + static_cast<double>(p.n_done) / p.n_token) / p.n_layer;
  char text[128];
  std::snprintf(text, sizeof text, "reading: %3.0f %%  layer %d of %d, token %lld of %lld",
                100 * done, p.layer + 1, p.n_layer, static_cast<long long>(p.n_done),
                static_cast<long long>(p.n_token));
  show(text);
}

Result<std::string> read_text(const std::string& path) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
  } else {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
      return Status::model("cannot open " + path + ": " + std::strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) return Status::model(path + " is a directory, not a text file");
    std::ifstream file(path, std::ios::binary);
    if (!file) return Status::model("cannot open " + path + ": " + std::strerror(errno));
    if (info.st_size > 0 || !S_ISREG(info.st_mode)) text << file.rdbuf();
    if (file.bad()) return Status::model("cannot read " + path + ": " + std::strerror(errno));
  }
  std::string content = std::move(text).str();
  if (!is_valid_utf8(content)) {
    return Status::model((path == "-" ? "standard input" : path) + " is not valid UTF-8");
  }
  return content;
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
