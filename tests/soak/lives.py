"""The real ``k2c up``, started, killed and started again over one data directory."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from compute.broker.server import stop_broker
from tests.bench.harness import K2C, Bot, clean_environment

STOP_S = 25.0  # 10 s for the answers in flight, then the pages and the charts
CHILDREN_GONE_S = 10.0
RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
ESCAPED = ("never retrieved", "Exception ignored", "Unclosed", "RuntimeWarning")

End = Literal["kill", "term"]


@dataclass
class Gap:
    """From the end of one life until the next was asked for; times on ``time.perf_counter``."""

    start_s: float
    end_s: float
    how: End


@dataclass
class Lives:
    """One bot after the other; ``settings`` are environment variables."""

    folder: Path
    settings: dict[str, str]
    gaps: list[Gap] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    children: set[psutil.Process] = field(default_factory=set)
    logs: list[Path] = field(default_factory=list)
    ends: list[tuple[End, int]] = field(default_factory=list)
    bot: Bot | None = None

    async def start(self) -> Bot:
        """A new process; the caller waits for what it wants of it."""
        log = self.folder / f"life{len(self.logs)}.log"
        self.logs.append(log)
        given = clean_environment() | {"NO_PROXY": "*", "K2C_HTTP_PORT": "0"}
        given |= {"K2C_DATA_DIR": str(self.folder / "data"), "K2C_REFRESH": "off"} | self.settings
        spawned_s = time.perf_counter()
        with log.open("w", encoding="utf-8") as errors:  # a file just made
            process = await asyncio.create_subprocess_exec(
                str(K2C), "up", cwd=self.folder, stdout=PIPE, stderr=errors, env=given
            )
        self.bot = Bot(process, spawned_s, log)
        return self.bot

    async def end(self, how: End) -> None:
        """Kill it at once, or ask it to stop and wait until it has."""
        assert self.bot is not None
        self.look()
        process = self.bot.process
        assert process.returncode is None, f"it ended by itself: {self.complaints()}"
        self.gaps.append(Gap(time.perf_counter(), float("inf"), how))
        if how == "kill":
            process.kill()
        else:
            process.terminate()
        try:
            code = await asyncio.wait_for(process.wait(), STOP_S)
        finally:
            if process.returncode is None:
                process.kill()
        self.ends.append((how, code))

    def back(self) -> None:
        """The new process answers from now on."""
        self.gaps[-1].end_s = time.perf_counter()

    def look(self) -> None:
        """Note its memory and its children."""
        if self.bot is None or self.bot.process.returncode is not None:
            return
        with contextlib.suppress(psutil.Error):  # it may be gone before its parent hears of it
            self.rss_mib.append(self.bot.rss_mib())
            self.children.update(psutil.Process(self.bot.process.pid).children(recursive=True))

    async def watch(self) -> None:
        """Look twice a second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(0.5)

    def complaints(self) -> list[str]:
        """What its logs hold that must not be there."""
        return [bad for log in self.logs for bad in complaints(log.read_text(encoding="utf-8"))]

    async def left_behind(self) -> list[psutil.Process]:
        """Children that outlive the last process; the broker is meant to, until it is stopped."""
        await asyncio.to_thread(stop_broker, self.folder / "data" / "broker")
        _, alive = await asyncio.to_thread(
            psutil.wait_procs, list(self.children), timeout=CHILDREN_GONE_S
        )
        return list(alive)


def complaints(log: str) -> list[str]:
    """Tracebacks, errors and what Python says of things nobody looked at.

    That a connection was lost the library tells with a traceback; this one is allowed.
    """
    found = []
    for record in RECORD.split(log):
        head = record.partition("\n")[0]
        failed = "Traceback" in record or " ERROR " in head or " CRITICAL " in head
        if (failed and "Attempting a reconnect" not in head) or any(
            words in record for words in ESCAPED
        ):
            found.append(record)
    return found


def growth(rss_mib: list[float]) -> float:
    """Median of the last quarter over that of the first."""
    quarter = max(1, len(rss_mib) // 4)
    first, last = sorted(rss_mib[:quarter]), sorted(rss_mib[-quarter:])
    return last[len(last) // 2] / first[len(first) // 2]
