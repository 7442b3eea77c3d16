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
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from compute.worker.leash import descendants
from compute.worker.sandbox import LEASH
from tests.compute.worker.processes import gone, until, written

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")]

SILENCE_S = 0.6
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

    def __init__(self, folder: Path, code: str) -> None:
        self.path, self.scratch = folder / "pids", Path(tempfile.mkdtemp(dir=folder))
        self.hold, theirs = socket.socketpair()
        child = [sys.executable, "-S", "-c", code.format(path=str(self.path))]
        head = [sys.executable, "-I", "-S", str(LEASH), str(SILENCE_S), str(os.getpid())]
        self.process = subprocess.Popen(
            [*head, str(self.scratch), "", "--", *child],
            stdin=theirs.fileno(),
            start_new_session=True,
        )
        theirs.close()
        self.hold.setblocking(False)
        self.beating = asyncio.create_task(self.beat())

    async def beat(self) -> None:
        """Be alive, as a worker is."""
        while True:
            with contextlib.suppress(OSError):
                self.hold.send(b".")
            await asyncio.sleep(SILENCE_S / 6)

    def said(self) -> list[str]:
        """What the leash has written."""
        with contextlib.suppress(BlockingIOError):
            return self.hold.recv(4096).decode().split("\n")[:-1]
        return []

    async def over(self) -> None:
        """Wait until the leash has ended."""
        await until(lambda: self.process.poll() is not None)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[str], Leashed]]:
    started: list[Leashed] = []

    def begin(code: str) -> Leashed:
        started.append(Leashed(tmp_path, code))
        return started[-1]

    yield begin
    for leashed in started:
        leashed.beating.cancel()
        leashed.hold.close()
        await leashed.over()


Start = Callable[[str], Leashed]


@pytest.mark.parametrize(
    ("code", "count"),
    [(SLEEPS, 1), (HOLDS_THE_LOCK, 1), (IGNORES_SIGNALS, 1), (LEAVES_ITS_GROUP, 4)],
    ids=["plain", "holds the lock", "ignores signals", "leaves its group"],
)
@pytest.mark.parametrize("how", ["told", "silence", "end of file"])
async def test_everything_dies(start: Start, code: str, count: int, how: str) -> None:
    leashed = start(code)
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


async def test_a_beaten_leash_holds_on(start: Start) -> None:
    leashed = start(SLEEPS)
    pids = await written(leashed.path)
    await asyncio.sleep(SILENCE_S * 2)
    assert descendants(leashed.process.pid) == pids


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
