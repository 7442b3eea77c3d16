"""A child as its worker sees it: ask it for one job at a time, hear it, kill it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compute.jobs.job import MAX_JSON_BYTES, Job, Machine
from compute.jobs.subjects import Timing
from compute.worker.leash import descendants
from compute.worker.sandbox import Bounds, Started, kernel_limit_bytes, start
from compute.worker.watch import Exceeded, resident_bytes, runs

MAX_LINE = 2 * MAX_JSON_BYTES + 65_536  # of an answer: a partial result escaped anew, and words
START_S = 60.0  # until a new child can be asked; a cold disk and a full import took 8 s
LEASH_LOST = "leash lost"
STOP_S = 1.0  # for the leash; after that the worker kills by itself
LAST = frozenset({"done", "refused", "failed"})
Answer = dict[str, Any]


class ChildGone(Exception):
    """The child ended without an answer; ``ending`` is the leash's word for it."""

    def __init__(self, ending: str) -> None:
        super().__init__(ending)
        self.ending = ending


@dataclass(frozen=True, slots=True)
class Warm:
    """What a child has ready before its first job: modules, and tools with what they read."""

    modules: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


class Printed(asyncio.Protocol):
    """What a child prints, read to the last byte, of which only the end is kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = b""
        self._count = 0

    def data_received(self, data: bytes) -> None:
        """Keep the end: that is where a crash says what it was."""
        self._count += len(data)
        self._kept = (self._kept + data)[-self._most :]

    def pending(self) -> int:
        """Bytes read since the last ``take``."""
        return self._count

    def take(self) -> str:
        """What was printed since the last time, in one piece of printable text."""
        kept, count = self._kept, self._count
        self._kept, self._count = b"", 0
        text = kept.decode(errors="replace").strip()
        text = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
        return text if count <= self._most else f"[{count:,} bytes, the end:] {text}"


class ChildProcess:
    """One child on its leash. ``begin`` before anything else; ``kill`` at the end."""

    def __init__(self, module: str, machine: Machine, timing: Timing, bounds: Bounds) -> None:
        self._module, self._machine, self._timing = module, machine, timing
        self._bounds = bounds
        self._started_at_bytes = 0
        self.pid = 0
        self.jobs = 0
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.printed = Printed(bounds.log_bytes)
        self._closing: list[Callable[[], None]] = []

    async def begin(self, held: tuple[int, ...] = (), warm: Warm | None = None) -> None:
        """Start it and wait until it can be asked. Raises ``ChildGone`` or ``OSError``.

        It then warms itself up; a job that comes meanwhile waits for that.
        """
        started = start(self._module, self._machine, self._timing, held)
        self.leash, self.scratch, self._hold = started.leash, started.scratch, started.hold
        self._hold.setblocking(False)
        self._holding = asyncio.create_task(self._hear_leash())
        try:
            await self._listen(started)
            async with asyncio.timeout(START_S):
                await self._answer()
        except BaseException:
            await self.kill()
            raise
        self._started_at_bytes = resident_bytes(self.pid)
        if warm is not None:
            message = {"warm": warm.modules, "tools": warm.tools}
            self._line.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, started: Started) -> None:
        output = os.fdopen(started.output, "rb", buffering=0)
        self._closing = [started.talk.close, output.close]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: self.printed, output)
        self._closing[1] = transport.close
        self._talk, self._line = await asyncio.open_connection(sock=started.talk, limit=MAX_LINE)
        self._closing[0] = self._line.close

    def beat(self) -> None:
        """One byte for the leash; several leash seconds without it end the child."""
        with contextlib.suppress(OSError):
            self._hold.send(b".")

    async def ask(self, job: Job, hear: Callable[[Answer], None]) -> Answer:
        """Run ``job``; ``hear`` gets progress and files as they come. Returns the last answer.

        Raises ``ChildGone`` when it dies on the way and ``Exceeded`` for an endless answer.
        """
        self.jobs += 1
        limit = kernel_limit_bytes(job.host_gib, self._machine)
        head = json.dumps({"folder": str(self.scratch / "files"), "data_bytes": limit})
        self._line.write(f'{head[:-1]}, "job": {job.model_dump_json()}}}\n'.encode())
        while True:
            answer = await self._answer()
            if not LAST.isdisjoint(answer):
                return answer
            hear(answer)

    def is_clean(self) -> bool:
        """Whether it may run another job: alive, nothing left running, not grown."""
        if self.ended.done() or self.jobs >= self._bounds.jobs:
            return False
        grown = resident_bytes(self.pid) - self._started_at_bytes
        return grown < self._bounds.grown_bytes and descendants(self.leash.pid) in ([self.pid], [])

    async def kill(self) -> None:
        """End it and everything that it started; returns when nothing of it runs any more."""
        with contextlib.suppress(OSError):
            self._hold.send(b"K")
        done, _ = await asyncio.wait((self._holding,), timeout=STOP_S)
        if not done:
            await self._kill_by_hand()
            await asyncio.wait((self._holding,))
        if self.ended.result() == LEASH_LOST and self.pid:
            self._kill_group()
        for close in self._closing:
            close()
        await asyncio.to_thread(self.leash.wait)  # it has said its last word already

    async def _kill_by_hand(self) -> None:
        """The leash does not answer: it was stopped or is itself stuck."""
        left = [*descendants(self.leash.pid), self.leash.pid]
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        while any(runs(pid) for pid in left):  # noqa: ASYNC110 -- the kernel is asked
            await asyncio.sleep(0.005)

    def _kill_group(self) -> None:
        """Without its leash the child is dead, but perhaps not what it had started."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        shutil.rmtree(self.scratch, ignore_errors=True)

    async def _answer(self) -> Answer:
        """The next line. Raises ``ChildGone`` at its end."""
        try:
            line = await self._talk.readline()
            answer = json.loads(line) if line.endswith(b"\n") else None
        except ConnectionError:
            answer = None
        except ValueError:
            raise Exceeded("too large", "Its answer is too large to send.") from None
        if isinstance(answer, dict):
            return answer
        raise ChildGone(await asyncio.shield(self.ended))

    async def _hear_leash(self) -> None:
        """Read the leash's lines until it is gone, and with it everything that it held."""
        reader, writer = await asyncio.open_connection(sock=self._hold)
        ending = LEASH_LOST
        try:
            async for line in reader:
                word, _, number = line.decode().strip().partition(" ")
                if word == "pid":
                    self.pid = int(number)
                else:
                    ending = f"{word} {number}".strip()
        except ConnectionError:
            pass
        finally:
            self.ended.set_result(ending)
            writer.close()
