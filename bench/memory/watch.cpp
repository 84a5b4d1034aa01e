#include "bench/memory/watch.h"

#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace restkv::bench {
namespace {

constexpr int kSampleMs = 10;
constexpr const char* kProgram = "/proc/self/exe";

size_t anonymous_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

Status failed(const std::string& what, int error) {
  return Status::runtime(what + ": " + std::strerror(error));
}

// Starts the program with its stdout going into `pipe_end`.
Result<pid_t> start(const std::vector<std::string>& arguments, const int (&ends)[2]) {
  std::vector<char*> argv{const_cast<char*>("restkv")};
  for (const std::string& argument : arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, kProgram, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return failed("another restkv does not start", error);
  return pid;
}

// Until the other end of the pipe is closed.
void watch(pid_t pid, int from, Watched* watched) {
  char block[4096];
  for (;;) {
    watched->anonymous_peak_bytes = std::max(watched->anonymous_peak_bytes, anonymous_bytes(pid));
    ++watched->n_sample;
    pollfd waiting{from, POLLIN, 0};
    if (poll(&waiting, 1, kSampleMs) <= 0) continue;
    const ssize_t n = ::read(from, block, sizeof block);
    if (n <= 0) return;
    watched->output.append(block, static_cast<size_t>(n));
  }
}

}  // namespace

Result<std::vector<std::string>> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');)
    arguments.push_back(argument);
  if (arguments.empty()) return Status::runtime("/proc/self/cmdline cannot be read");
  arguments.erase(arguments.begin());
  return arguments;
}

Result<Watched> run_watched(const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe(ends) != 0) return failed("no pipe", errno);
  auto pid = start(arguments, ends);
  close(ends[1]);
  Watched watched;
  if (pid.ok()) watch(*pid, ends[0], &watched);
  close(ends[0]);
  RESTKV_RETURN_IF_ERROR(pid.status());
  int ended = 0;
  while (waitpid(*pid, &ended, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return watched;
  return Status::runtime("the process whose memory was watched failed");
}

}  // namespace restkv::bench
