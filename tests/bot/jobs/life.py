"""The bot's side of the queue as a process of its own, to be killed at any moment.

``python -m tests.bot.jobs.life FOLDER TOKEN TIMING``: each line it is given is a run to ask for,
as JSON (tool, user, asked); each line it says is ``kept ID``, once that run is on disk.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compute.broker.access import Access
from compute.jobs.subjects import Timing
from tests.bot.jobs.parts import Bot
from tests.fakes.workers import FAST, ROOT


class BotProcess:
    """A started bot. ``kept`` are the runs that it said are on disk, by result id."""

    def __init__(self, process: Process, kept: set[str]) -> None:
        self.process = process
        self.kept = kept
        self._reading = asyncio.create_task(self._read())

    def ask(self, tool: str, user: str = "7", **asked: Any) -> None:
        """Ask for a run; its id comes later, in ``kept``."""
        assert self.process.stdin is not None
        line = json.dumps({"tool": tool, "user": user, "asked": asked})
        self.process.stdin.write(f"{line}\n".encode())

    async def kill(self) -> None:
        """End it with SIGKILL; it must not have ended by itself."""
        ended = self.process.returncode
        if ended is None:
            self.process.kill()
        await self.process.wait()
        await self._reading
        assert ended is None, f"the bot ended by itself ({ended})"

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while (line := await self.process.stdout.readline()).endswith(b"\n"):
            word, _, result_id = line.decode().strip().partition(" ")
            if word == "kept":
                self.kept.add(result_id)


@asynccontextmanager
async def bot_process(
    folder: Path, access: Access, kept: set[str] | None = None, timing: Timing = FAST
) -> AsyncIterator[BotProcess]:
    """A bot that is killed at the end of the block; the next one in ``folder`` goes on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bot.jobs.life", str(folder), access.encode(),
        json.dumps(asdict(timing)),
        cwd=ROOT, stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    bot = BotProcess(process, kept if kept is not None else set())
    try:
        yield bot
    finally:
        await bot.kill()


async def live(folder: Path, access: Access, timing: Timing) -> None:
    """Take what is asked for until there is nothing more to read, then go on until killed."""
    bot = Bot(folder, timing)
    await bot.start(access)
    lines = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    asking: set[asyncio.Task[None]] = set()
    async for line in lines:
        asking.add(task := asyncio.create_task(_ask(bot, json.loads(line))))
        task.add_done_callback(asking.discard)
    await asyncio.Event().wait()


async def _ask(bot: Bot, wanted: dict[str, Any]) -> None:
    result_id = await bot.run(wanted["tool"], wanted["user"], **wanted["asked"])
    sys.stdout.write(f"kept {result_id}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    told = Timing(**json.loads(sys.argv[3]))
    asyncio.run(live(Path(sys.argv[1]), Access.decode(sys.argv[2]), told))
