"""Whatever ends a worker, nothing of its child runs on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from compute.worker.leash import descendants
from compute.worker.sandbox import LEASH
from tests.compute.worker.processes import gone, until, written

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")]

SILENCE_S = 0.9  # where that is what ends it
LONG_S = 30.0  # elsewhere: a busy machine must not be taken for silence
# Each writes its pid to the file, then does what its name says.
SAY = "import os, sys, time, signal, ctypes, subprocess; out = open({path!r}, 'a', buffering=1)\n"
SAY += "print(os.getpid(), file=out)\n"
SLEEPS = SAY + "time.sleep(60)"
HOLDS_THE_LOCK = SAY + "ctypes.PyDLL(None).sleep(60)"
IGNORES_SIGNALS = (
    SAY
    + "for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(n, signal.SIG_IGN)\n"
    "time.sleep(60)"
)
LEAVES_ITS_GROUP = SAY + (
    "for _ in range(3):\n"
    "    if os.fork() == 0:\n"
    "        os.setsid()\n"
    "        if os.fork(): os._exit(0)\n"
    "        print(os.getpid(), file=out)\n"
    "        time.sleep(60)\n"
    "time.sleep(60)"
)
FORKS_WITHOUT_END = SAY + (
    "end = time.monotonic() + 20\n"
    "while time.monotonic() < end:\n"
    "    if os.fork() == 0 and os.getpid() % 3 == 0: os.setsid()\n"
    "    time.sleep(0.05)"
)


class Leashed:
    """A leash and its child, with the worker's end of the socket."""

    def __init__(self, folder: Path, code: str, silence_s: float) -> None:
        self.silence_s, self.late_s = silence_s, 0.0
        self.path, self.scratch = folder / "pids", Path(tempfile.mkdtemp(dir=folder))
        self.hold, theirs = socket.socketpair()
        child = [sys.executable, "-S", "-c", code.format(path=str(self.path))]
        head = [sys.executable, "-I", "-S", str(LEASH), str(silence_s), str(os.getpid())]
        self.process = subprocess.Popen(
            [*head, str(self.scratch), "", "--", *child],
            stdin=theirs.fileno(),
            start_new_session=True,
        )
        theirs.close()
        self.hold.setblocking(False)
        self.beating = asyncio.create_task(self.beat())

    async def beat(self) -> None:
        """Be alive, as a worker is; ``late_s`` is the longest time between two words."""
        before = time.monotonic()
        while True:
            with contextlib.suppress(OSError):
                self.hold.send(b".")
            self.late_s, before = max(self.late_s, time.monotonic() - before), time.monotonic()
            await asyncio.sleep(self.silence_s / 6)

    def said(self) -> list[str]:
        """What the leash has written."""
        with contextlib.suppress(BlockingIOError):
            return self.hold.recv(4096).decode().split("\n")[:-1]
        return []

    async def over(self) -> None:
        """Wait until the leash has ended."""
        await until(lambda: self.process.poll() is not None)


Start = Callable[..., Leashed]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    started: list[Leashed] = []

    def begin(code: str, silence_s: float = LONG_S) -> Leashed:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Leashed(folder, code, silence_s))
        return started[-1]

    yield begin
    for leashed in started:
        leashed.beating.cancel()
        leashed.hold.close()
        await leashed.over()


@pytest.mark.parametrize(
    ("code", "count"),
    [(SLEEPS, 1), (HOLDS_THE_LOCK, 1), (IGNORES_SIGNALS, 1), (LEAVES_ITS_GROUP, 4)],
    ids=["plain", "holds the lock", "ignores signals", "leaves its group"],
)
@pytest.mark.parametrize("how", ["told", "silence", "end of file"])
async def test_everything_dies(start: Start, code: str, count: int, how: str) -> None:
    leashed = start(code, SILENCE_S if how == "silence" else LONG_S)
    pids = await written(leashed.path, count)
    if how == "told":
        leashed.hold.send(b"K")
    elif how == "silence":
        leashed.beating.cancel()
    else:
        leashed.hold.shutdown(socket.SHUT_WR)
    await gone(pids)
    await leashed.over()
    assert leashed.said()[-1] == ("silent" if how == "silence" else "told")
    assert not leashed.scratch.exists()


async def test_processes_that_fork_without_end_are_all_ended(start: Start) -> None:
    leashed = start(FORKS_WITHOUT_END)
    await until(lambda: len(descendants(leashed.process.pid)) > 30)
    pids = descendants(leashed.process.pid)
    leashed.hold.send(b"K")
    await leashed.over()
    await gone(pids)


async def test_the_child_dies_with_a_killed_leash(start: Start) -> None:
    leashed = start(HOLDS_THE_LOCK)
    pids = await written(leashed.path)
    leashed.process.kill()
    await gone(pids)


async def test_a_terminated_leash_takes_everything_along(start: Start) -> None:
    leashed = start(LEAVES_ITS_GROUP)
    pids = await written(leashed.path, 4)
    leashed.process.terminate()
    await gone(pids)


async def test_the_end_of_the_child_is_told_as_it_was(start: Start) -> None:
    ends = {
        "raise SystemExit(7)": "exit 7",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "signal 11",
    }
    for code, word in ends.items():
        leashed = start(code)
        await leashed.over()
        first, last = leashed.said()
        assert (first.split()[0], last) == ("pid", word)


@pytest.mark.parametrize("asleep", ["nobody", "the leash", "the leash and its worker"])
async def test_a_beaten_leash_holds_on(start: Start, asleep: str) -> None:
    """Also when it was itself asleep for longer than it bears silence."""
    for _ in range(10):
        leashed = start(SLEEPS, SILENCE_S)
        pids = await written(leashed.path)
        if asleep != "nobody":
            leashed.process.send_signal(signal.SIGSTOP)
        if asleep.endswith("worker"):
            leashed.beating.cancel()
        await asyncio.sleep(SILENCE_S * 1.5)
        leashed.process.send_signal(signal.SIGCONT)
        woken_s = time.monotonic()
        if leashed.beating.done():
            await asyncio.sleep(SILENCE_S / 10)
            leashed.beating = asyncio.create_task(leashed.beat())
        slow = time.monotonic() - woken_s > SILENCE_S / 5
        await asyncio.sleep(SILENCE_S * 1.5)
        if leashed.late_s < SILENCE_S / 3 and not slow:
            break  # it was beaten indeed: we did not stand still ourselves
    assert descendants(leashed.process.pid) == pids


async def test_a_leash_that_was_asleep_ends_what_no_worker_holds(start: Start) -> None:
    leashed = start(SLEEPS, SILENCE_S)
    pids = await written(leashed.path)
    leashed.process.send_signal(signal.SIGSTOP)
    leashed.beating.cancel()
    await asyncio.sleep(SILENCE_S * 1.5)
    leashed.process.send_signal(signal.SIGCONT)
    await gone(pids)
    await leashed.over()
    assert leashed.said()[-1] == "silent"


async def test_the_child_gets_neither_the_leash_nor_a_terminal(start: Start) -> None:
    leashed = start(
        SAY + "out.write('\\n'.join(os.readlink(f'/proc/self/fd/{{n}}') for n in (0,)))"
    )
    await leashed.over()
    assert leashed.path.read_text().split()[1] == "/dev/null"


async def test_ctrl_c_is_the_workers_to_handle(start: Start) -> None:
    leashed = start(SLEEPS)
    pids = await written(leashed.path)
    leashed.process.send_signal(signal.SIGINT)
    await asyncio.sleep(0.2)
    assert descendants(leashed.process.pid) == pids
