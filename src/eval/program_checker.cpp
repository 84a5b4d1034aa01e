#include "eval/program_checker.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "scores/text.h"

extern char** environ;

namespace restkv {
namespace {

using nlohmann::json;

constexpr int kOwnTime_s = 60;  // of the checker, beside the program's
constexpr size_t kMaxAnswer = 1 << 16;

// The checker's process and its standard streams, which are one socket. Ends it when it goes.
class Child {
 public:
  ~Child() {
    if (fd_ >= 0) close(fd_);
    if (pid_ <= 0) return;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  Status start(const std::vector<std::string>& command) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return failed("socketpair");
    fd_ = ends[0];
    std::vector<char*> argv;
    for (const std::string& word : command)
      argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const int error = spawn(argv, ends[1]);
    close(ends[1]);
    if (error == 0) return {};
    pid_ = 0;
    return Status::runtime("cannot start the checker " + command[0] + ": " + std::strerror(error));
  }

  // What the checker does not take any more is its own affair: what it said tells why.
  void send_all(const std::string& text) {
    for (size_t at = 0; at < text.size();) {
      const ssize_t n = send(fd_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      at += static_cast<size_t>(n);
    }
    shutdown(fd_, SHUT_WR);
  }

  Result<std::string> receive_all(double limit_ms) {
    const double end = now_ms() + limit_ms;
    std::string text;
    while (text.size() < kMaxAnswer) {
      pollfd waits{.fd = fd_, .events = POLLIN, .revents = 0};
      const double left = end - now_ms();
      if (left <= 0) return Status::runtime("the checker has taken longer than it may");
      const int ready = poll(&waits, 1, static_cast<int>(left) + 1);
      if (ready < 0 && errno != EINTR) return failed("poll");
      if (ready <= 0) continue;
      char part[4096];
      const ssize_t n = recv(fd_, part, sizeof part, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      text.append(part, static_cast<size_t>(n));
    }
    return text;
  }

 private:
  static Status failed(const char* what) {
    return Status::runtime(std::string("the checker: ") + what + ": " + std::strerror(errno));
  }

  // In a process group of its own: Ctrl-C is for whoever runs the samples. The hash of strings is
  // the same in every run, so that the order of sets is.
  int spawn(std::vector<char*>& argv, int streams) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      posix_spawn_file_actions_adddup2(&actions, streams, fd);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    std::vector<char*> variables;
    std::string hash = "PYTHONHASHSEED=0", threads = "OPENBLAS_NUM_THREADS=1";
    for (char** at = environ; *at != nullptr; ++at)
      if (std::strncmp(*at, "PYTHON", 6) != 0) variables.push_back(*at);
    for (std::string* own : {&hash, &threads})
      variables.push_back(own->data());
    variables.push_back(nullptr);
    const int error =
        posix_spawnp(&pid_, argv[0], &actions, &attributes, argv.data(), variables.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
  }

  pid_t pid_ = 0;
  int fd_ = -1;
};

std::string last_line(std::string text) {
  text.resize(text.find_last_not_of(" \r\n") + 1);  // npos + 1 is 0
  const size_t newline = text.rfind('\n');
  return encode_utf8(decode_utf8(newline == std::string::npos ? text : text.substr(newline + 1)));
}

}  // namespace

Result<ProgramOutcome> check_program(const ProgramChecker& checker, const std::string& program) {
  Child child;
  RESTKV_RETURN_IF_ERROR(child.start(checker.command));
  const json request{{"program", program},
                     {"cpu_s", checker.cpu_s},
                     {"wall_s", checker.wall_s},
                     {"memory_mib", checker.memory_mib}};
  child.send_all(request.dump(-1, ' ', false, json::error_handler_t::replace));
  RESTKV_ASSIGN_OR_RETURN(const std::string said,
                          child.receive_all(1000.0 * (checker.wall_s + kOwnTime_s)));
  const std::string line = last_line(said);
  const json answer = json::parse(line, nullptr, false);
  if (!answer.is_object() || !answer.contains("result") || !answer["result"].is_string()) {
    return Status::runtime("the checker " + checker.command.back() + " has no result: " +
                           (line.empty() ? std::string("it said nothing") : line));
  }
  const bool says = answer.contains("network") && answer["network"].is_string();
  return ProgramOutcome{.result = answer["result"].get<std::string>(),
                        .network = says ? answer["network"].get<std::string>() : ""};
}

}  // namespace restkv
