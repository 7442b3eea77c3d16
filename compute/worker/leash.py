"""The process between a worker and its child: when the worker dies or freezes, the child dies.

Run as ``python -I -S leash.py SILENCE_S PARENT_PID SCRATCH HELD_FDS -- COMMAND...`` with a socket
as stdin. Any byte on it keeps the child alive, ``K`` or end-of-file ends it, and so does silence,
but for what this process slept through itself: a machine that stood still is no frozen worker.
It is a process of its own, without any package, because a child that is stuck in a C call with
Python's lock held cannot watch itself. It writes ``pid N`` first; last, once everything that the
child ever started is dead, one of ``exit N``, ``signal N``, ``told`` and ``silent``.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
OOM_SCORE = 500  # out of memory, the kernel ends the child rather than a bot beside it
LOOK_S = 0.02  # between two rounds of killing what is left
# Of the silence after which the child ends: the worker speaks every quarter of it, and one that
# stood still together with its leash speaks as soon as it goes on.
SECOND_HEARING = 1 / 3
Ending = str


def descendants(root: int) -> list[int]:
    """Every process below ``root``, parents first; empty where there is no /proc."""
    found, ahead = [], [root]
    while ahead:
        below = list(_children(ahead.pop()))
        found += below
        ahead += below
    return found


def _children(pid: int) -> Iterator[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                yield from map(int, file.read().split())
        except OSError:
            continue


def set_process_flag(option: int, value: int) -> None:
    """prctl(2); nothing where there is none (only Linux has it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def main(arguments: list[str]) -> None:
    """Start the command, hold the leash, and end with nothing left running."""
    split = arguments.index("--")
    silence_s, parent, scratch, held = arguments[:split]
    # A signal that can be handled: SIGKILL here would leave grandchildren behind.
    set_process_flag(PR_SET_PDEATHSIG, signal.SIGTERM)
    set_process_flag(PR_SET_CHILD_SUBREAPER, 1)  # what loses its parent stays below us
    os.set_inheritable(0, False)
    for fd in filter(None, held.split(",")):
        os.set_inheritable(int(fd), False)
    bell = _signals()
    if os.getppid() != int(parent):
        return
    child = _start(arguments[split + 1 :])
    _tell(f"pid {child}")
    _let_go({0, *bell, *(int(fd) for fd in filter(None, held.split(",")))})
    ending = _hold(child, bell[0], float(silence_s))
    _kill_all(child)
    _remove(scratch)
    _tell(ending)


def _signals() -> tuple[int, int]:
    """A pipe that turns readable when a child ended or we are told to end."""
    bell = os.pipe()
    for end in bell:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(bell[1], warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return bell


def _start(command: list[str]) -> int:
    me = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        set_process_flag(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != me:
            os._exit(1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _prefer_for_killing()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0, inheritable=True)
        os.execv(command[0], command)
    finally:
        os._exit(127)


def _prefer_for_killing() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(OOM_SCORE))
    except OSError:
        return


def _let_go(kept: set[int]) -> None:
    """Close the child's ends, so that the worker sees them end with the child."""
    for fd in range(1, 256):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue


def _tell(words: str) -> None:
    try:
        os.write(0, f"{words}\n".encode())
    except OSError:
        return  # nobody is there any more


def _hold(child: int, bell: int, silence_s: float) -> Ending:
    """Wait for the child's end, the worker's word or its silence; say which it was."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(bell, select.POLLIN)
    until = time.monotonic() + silence_s
    while True:
        left_s = until - time.monotonic()
        if left_s <= 0:
            until = _second_hearing(until, silence_s)
            left_s = until - time.monotonic()
        if left_s <= 0:
            return "silent"
        for fd, _ in poll.poll(left_s * 1000 + 1):
            try:
                data = os.read(fd, 4096)
            except OSError:
                data = b""
            if fd == bell:
                if signal.SIGTERM in data:
                    return "told"
                ended = _reap(child)
                if ended:
                    return ended
            elif not data or b"K" in data:
                return "told"
            else:
                until = time.monotonic() + silence_s


def _second_hearing(until: float, silence_s: float) -> float:
    """Until when a worker is heard that was silent ``until`` now: longer if we were asleep too."""
    now, hearing_s = time.monotonic(), silence_s * SECOND_HEARING
    return now + hearing_s if now - until > hearing_s / 2 else until


def _reap(child: int) -> Ending:
    """Take in whatever ended; how the child itself did, "" while it lives."""
    ending = ""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ending
        if not pid:
            return ending
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            ending = f"exit {code}" if code >= 0 else f"signal {-code}"


def _kill_all(child: int) -> None:
    """End the child's group at once, then whatever left the group, until nothing is left."""
    for victim in (-child, child):
        try:
            os.kill(victim, signal.SIGKILL)
        except OSError:
            continue
    while True:
        _reap(child)
        left = descendants(os.getpid())
        if not left and not _has_children():
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        time.sleep(LOOK_S if left else LOOK_S / 10)


def _has_children() -> bool:
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return not pid or _has_children()


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
