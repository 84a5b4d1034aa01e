#include "eval/crew.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

namespace restkv {
namespace {

constexpr int kWaitMs = 200;
// Pieces that may be ahead of the one that is to be taken next, for each process: their results
// wait in memory, and are lost if this process is killed.
constexpr int64_t kAhead = 4;

bool cancelled(const CrewPlan& plan) {
  return plan.cancel != nullptr && plan.cancel->load();
}

Status run_here(const CrewPlan& plan) {
  RESTKV_ASSIGN_OR_RETURN(const PieceWork work, plan.begin());
  for (int64_t i = 0; i < plan.n_piece; ++i) {
    if (cancelled(plan)) return Status::runtime("interrupted");
    RESTKV_ASSIGN_OR_RETURN(const std::string result, work(i));
    RESTKV_RETURN_IF_ERROR(plan.take(i, result));
  }
  return {};
}

// A whole message through a socket; false: the other end is gone.
bool send_all(int fd, const void* data, size_t n) {
  const char* at = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    n -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int fd, void* data, size_t n) {
  char* at = static_cast<char*>(data);
  while (n > 0) {
    const ssize_t received = recv(fd, at, n, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    at += received;
    n -= static_cast<size_t>(received);
  }
  return true;
}

// A result, or the error in its place.
struct Header {
  int32_t failed = 0;
  int32_t kind = 0;
  uint64_t size = 0;  // bytes that follow
};

bool send_result(int fd, const Result<std::string>& result) {
  const std::string text = result.ok() ? *result : result.status().message();
  const Header header{.failed = !result.ok(),
                      .kind = static_cast<int32_t>(result.status().kind()),
                      .size = text.size()};
  return send_all(fd, &header, sizeof header) && send_all(fd, text.data(), text.size());
}

// Nothing: the process is gone.
std::optional<Result<std::string>> receive_result(int fd) {
  Header header;
  if (!receive_all(fd, &header, sizeof header)) return std::nullopt;
  std::string text(header.size, '\0');
  if (!receive_all(fd, text.data(), text.size())) return std::nullopt;
  if (header.failed != 0) return Status(static_cast<ErrorKind>(header.kind), std::move(text));
  return Result<std::string>(std::move(text));
}

// The life of a process that was split off: pieces come by number until the socket ends.
void work_for(int fd, const CrewPlan& plan) {
  const auto work = plan.begin();
  int64_t i = 0;
  while (receive_all(fd, &i, sizeof i)) {
    const Result<std::string> result = work.ok() ? (*work)(i) : work.status();
    if (!send_result(fd, result) || !result.ok()) return;
  }
}

class Crew {
 public:
  explicit Crew(const CrewPlan& plan) : plan_(plan) {}
  ~Crew() {
    for (Member& member : members_)
      dismiss(&member);
  }

  Status run() {
    for (int m = 0; m < plan_.n_process; ++m)
      RESTKV_RETURN_IF_ERROR(hire());
    for (Member& member : members_)
      RESTKV_RETURN_IF_ERROR(give_piece(&member));
    while (n_taken_ < plan_.n_piece) {
      if (cancelled(plan_)) return Status::runtime("interrupted");
      RESTKV_RETURN_IF_ERROR(wait());
      if (plan_.on_wait) plan_.on_wait();
    }
    return {};
  }

 private:
  struct Member {
    pid_t pid = -1;
    int fd = -1;
    int64_t piece = -1;  // none
  };

  Status hire() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      return Status::runtime(std::string("cannot make a socket: ") + std::strerror(errno));
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
#ifdef __linux__
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // elsewhere the end of the socket ends it
#endif
      if (getppid() != parent) _exit(1);  // it ended meanwhile
      for (const Member& other : members_)
        close(other.fd);
      close(ends[0]);
      work_for(ends[1], plan_);
      _exit(0);
    }
    close(ends[1]);
    if (pid < 0) {
      close(ends[0]);
      return Status::runtime(std::string("cannot start a process: ") + std::strerror(errno));
    }
    members_.push_back({pid, ends[0], -1});
    return {};
  }

  static void dismiss(Member* member) {
    if (member->fd >= 0) close(member->fd);
    if (member->pid < 0) return;
    kill(member->pid, SIGKILL);
    while (waitpid(member->pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    *member = {};
  }

  Status give_piece(Member* member) {
    if (next_ >= plan_.n_piece || next_ >= n_taken_ + kAhead * plan_.n_process) return {};
    member->piece = next_++;
    if (send_all(member->fd, &member->piece, sizeof member->piece)) return {};
    return lost(*member);
  }

  Status lost(Member& member) const {
    int status = 0;
    const pid_t pid = member.pid;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    member.pid = -1;
    return Status::runtime("the process " + std::to_string(pid) + " of --jobs " +
                           (WIFSIGNALED(status)
                                ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                : "ended") +
                           "; the same command goes on where the results end");
  }

  Status wait() {
    std::vector<pollfd> polls;
    for (const Member& member : members_)
      polls.push_back({member.fd, POLLIN, 0});
    if (poll(polls.data(), polls.size(), kWaitMs) < 0 && errno != EINTR)
      return Status::runtime(std::string("cannot wait for processes: ") + std::strerror(errno));
    for (size_t m = 0; m < members_.size(); ++m) {
      if (polls[m].revents != 0) RESTKV_RETURN_IF_ERROR(hear(&members_[m]));
    }
    // Those that had to pause because they were too far ahead.
    for (Member& member : members_)
      if (member.piece < 0) RESTKV_RETURN_IF_ERROR(give_piece(&member));
    return {};
  }

  Status hear(Member* member) {
    auto result = receive_result(member->fd);
    if (!result) return cancelled(plan_) ? Status::runtime("interrupted") : lost(*member);
    if (!result->ok()) return result->status();
    waiting_[member->piece] = std::move(**result);
    member->piece = -1;
    for (auto first = waiting_.begin(); first != waiting_.end() && first->first == n_taken_;
         first = waiting_.erase(first)) {
      RESTKV_RETURN_IF_ERROR(plan_.take(n_taken_, first->second));
      ++n_taken_;
    }
    return {};
  }

  const CrewPlan& plan_;
  std::vector<Member> members_;
  std::map<int64_t, std::string> waiting_;  // results that came before their turn
  int64_t next_ = 0, n_taken_ = 0;
};

}  // namespace

Status run_crew(const CrewPlan& plan) {
  if (plan.n_process <= 1) return run_here(plan);
  return Crew(plan).run();
}

}  // namespace restkv
