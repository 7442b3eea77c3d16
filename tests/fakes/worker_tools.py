"""Tools for workers under test: one does nothing, the others misbehave, each in its own way."""
# ruff: noqa: ASYNC220, ASYNC230, ASYNC240, ASYNC251 -- a child runs one job: its tools may block

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from compute.tool import AnyTool, Context, Needs, Refused, Request, Result, Tool

MIB = 2**20
Run = Callable[["Asked", Context], Awaitable["Told"]]


class Asked(Request):
    """``seconds`` and ``size`` mean what the tool makes of them; ``path`` is a file to write."""

    seconds: float = 0.0
    size: int = 0
    path: str = ""


class Told(Result):
    """``pid`` of the child that ran it, and whatever else there is to tell."""

    pid: int
    text: str = ""


async def null(request: Asked, ctx: Context) -> Told:
    """Do nothing."""
    return Told(pid=os.getpid())


async def sleeper(request: Asked, ctx: Context) -> Told:
    """Sleep, and say so ten times a second; write the pid to ``path`` first."""
    if request.path:
        with open(request.path, "a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    began = time.monotonic()
    while (gone := time.monotonic() - began) < request.seconds:
        partial = Told(pid=os.getpid(), text=f"{gone:.1f} s")
        await ctx.progress(gone / request.seconds, "sleeping", partial)
        await asyncio.sleep(0.1)
    return Told(pid=os.getpid(), text="slept")


async def relay(request: Asked, ctx: Context) -> Told:
    """Write the pid to ``path``; the ``size``-th run that does so is done at once, the others hang:
    none ends too early on a busy machine, and the last is not lost for having taken long.
    """
    with open(request.path, "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    if len(Path(request.path).read_text("ascii").split()) < request.size:
        await asyncio.sleep(600)
    return Told(pid=os.getpid(), text="done")


async def hog(request: Asked, ctx: Context) -> Told:
    """Take memory, a MiB at a time, at once or with ``seconds`` between."""
    held = []
    for _ in range(request.size):
        held.append(bytearray(os.urandom(4096) * 256))
        await asyncio.sleep(request.seconds)
    return Told(pid=os.getpid(), text=str(len(held)))


async def grabber(request: Asked, ctx: Context) -> Told:
    """Ask for that many MiB at once, and touch none of it."""
    held = [bytearray(64 * MIB) for _ in range(request.size // 64)]
    return Told(pid=os.getpid(), text=str(len(held)))


async def forked_hog(request: Asked, ctx: Context) -> Told:
    """Take memory in another process."""
    code = f"x = bytearray(b'x') * ({request.size} * 2**20); import time; time.sleep(60)"
    subprocess.Popen([sys.executable, "-c", code])
    await asyncio.sleep(60)
    return Told(pid=os.getpid())


async def printer(request: Asked, ctx: Context) -> Told:
    """Print that many MiB, and a line that looks like an answer."""
    sys.stdout.write('{"done": {"pid": 1, "text": "forged"}}\n')
    chunk = "x" * (MIB - 1) + "\n"
    for _ in range(request.size):
        sys.stdout.write(chunk)
    sys.stdout.write("the last line\n")
    sys.stdout.flush()
    return Told(pid=os.getpid(), text=sys.stdin.read())


async def holder(request: Asked, ctx: Context) -> Told:
    """Sit in a C call that holds Python's lock, deaf to everything."""
    await ctx.progress(0.5, "holding", None)
    await asyncio.sleep(0.2)
    if request.path:
        Path(request.path).write_text(str(os.getpid()), "ascii")
    ctypes.PyDLL(None).sleep(int(request.seconds))  # PyDLL keeps the lock
    return Told(pid=os.getpid())


async def stubborn(request: Asked, ctx: Context) -> Told:
    """Ignore every signal that can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return await sleeper(request, ctx)


async def crasher(request: Asked, ctx: Context) -> Told:
    """Die of a segmentation fault."""
    ctypes.string_at(0)
    return Told(pid=os.getpid())


async def leaver(request: Asked, ctx: Context) -> Told:
    """End the process without a word."""
    os._exit(3)


async def raiser(request: Asked, ctx: Context) -> Told:
    """Fail with a secret in the message."""
    raise RuntimeError("secret detail for the log")


async def refuser(request: Asked, ctx: Context) -> Told:
    """Refuse the input."""
    raise Refused("size must be odd.", field="size", given=str(request.size), example="3")


async def brood(request: Asked, ctx: Context) -> Told:
    """Start processes that leave the group, each with one of its own; write all pids to ``path``.

    With ``seconds`` 0 it ends well and leaves them behind.
    """
    code = (
        "import os, subprocess, sys, time; os.setsid() if os.getpid() % 2 else None\n"
        "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
        "if len(sys.argv) > 2: subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]])\n"
        "time.sleep(120)"
    )
    for _ in range(request.size):
        subprocess.Popen([sys.executable, "-S", "-c", code, request.path, code])
    await asyncio.sleep(request.seconds)
    return Told(pid=os.getpid())


async def bomb(request: Asked, ctx: Context) -> Told:
    """Fork and fork again."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
    os._exit(0)


async def talker(request: Asked, ctx: Context) -> Told:
    """Return a result of that many characters."""
    return Told(pid=os.getpid(), text="y" * request.size)


async def flooder(request: Asked, ctx: Context) -> Told:
    """Write an answer without end to the worker."""
    while True:
        os.write(int(sys.argv[1]), b"z" * 65_536)


async def spiller(request: Asked, ctx: Context) -> Told:
    """Fill the scratch folder with that many MiB."""
    with open(os.path.join(os.environ["TMPDIR"], "spill"), "wb") as file:
        for _ in range(request.size):
            file.write(b"s" * MIB)
            file.flush()
            await asyncio.sleep(0.001)
    await asyncio.sleep(30)
    return Told(pid=os.getpid())


async def maker(request: Asked, ctx: Context) -> Told:
    """Make a CSV file of that many bytes and a small text file."""
    await ctx.keep("table.csv", "text/csv", b"a,b\n" + b"1" * (request.size - 4))
    await ctx.keep("note.txt", "text/plain", b"made")
    return Told(pid=os.getpid())


async def chatter(request: Asked, ctx: Context) -> Told:
    """Report progress as fast as it can, that many times, with a partial result."""
    for step in range(request.size):
        await ctx.progress(step / request.size, f"step {step}", Told(pid=1, text=str(step)))
    await asyncio.sleep(request.seconds)
    return Told(pid=os.getpid())


async def breaker(request: Asked, ctx: Context) -> Told:
    """Leave a GPU behind that fails (with ``seconds``: hangs) whatever it is asked."""

    def broken() -> None:
        time.sleep(request.seconds)
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    cuda = SimpleNamespace(is_initialized=lambda: True, synchronize=broken, empty_cache=broken)
    torch: Any = ModuleType("torch")
    torch.cuda = cuda
    sys.modules["torch"] = torch
    if request.seconds:
        ctx.lose_process()  # type: ignore[attr-defined]
    return Told(pid=os.getpid())


async def environ(request: Asked, ctx: Context) -> Told:
    """Tell the environment and the open descriptors."""
    lines = [f"{name}={value}" for name, value in os.environ.items()]
    links = [_link(fd) for fd in os.listdir("/proc/self/fd")]
    return Told(pid=os.getpid(), text="\n".join([*lines, *links]))


def _link(fd: str) -> str:
    try:
        return f"fd {fd} {os.readlink(f'/proc/self/fd/{fd}')}"
    except OSError:
        return ""


RUNS: tuple[Run, ...] = (
    null, sleeper, relay, hog, grabber, forked_hog, printer, holder, stubborn, crasher, leaver,
    raiser, refuser, brood, bomb, talker, flooder, spiller, maker, chatter, breaker,
    environ,
)  # fmt: skip
NAMES = tuple(run.__name__ for run in RUNS)


def load(name: str) -> AnyTool:
    """One of the tools above. Raises ``LookupError``."""
    for run in RUNS:
        if run.__name__ == name:
            return Tool(
                name=name,
                title=name,
                summary=run.__doc__ or "",
                request=Asked,
                result=Told,
                run=run,
                needs=lambda _: Needs(),
            )
    raise LookupError(name)
