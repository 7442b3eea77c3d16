"""Bots in processes of their own against a fake Discord in this one, and figures on the screen."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import aiohttp
import psutil

from compute.broker.server import stop_broker
from tests.fakes.discord import FakeDiscord

ROOT = Path(__file__).resolve().parents[2]
K2C = Path(sys.executable).with_name("k2c")
START_S = 30.0
MIB = 2**20


class Bot:
    """A bot's process: what it printed and when, the CPU time and memory it took."""

    def __init__(self, process: Process, spawned_s: float, log: Path) -> None:
        self.process = process
        self.spawned_s = spawned_s
        self.log = log
        self.said: dict[str, tuple[float, str]] = {}
        self._inspected = psutil.Process(process.pid)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        """Note each line ``part  words`` with the time it came."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            part, _, words = line.decode().strip().partition(" ")
            self.said[part] = (time.perf_counter(), words.strip())

    async def heard(self, part: str) -> float:
        """Seconds from spawn to the line that begins with ``part``; fails when it ends first."""
        async with asyncio.timeout(START_S):
            while part not in self.said:
                assert self.process.returncode is None, self.log.read_text(encoding="utf-8")
                await asyncio.sleep(0.002)
        return self.said[part][0] - self.spawned_s

    @property
    def pages(self) -> str:
        """Where its pages are."""
        return self.said["pages"][1]

    def cpu_s(self) -> float:
        """CPU time of the bot's own process so far."""
        times = self._inspected.cpu_times()
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        """Resident memory of the bot's own process."""
        return float(self._inspected.memory_info().rss) / MIB

    def chart_child(self) -> psutil.Process:
        """The process that draws."""
        children = self._inspected.children()
        return next(c for c in children if "spawn_main" in " ".join(c.cmdline()))

    async def health(self) -> dict[str, Any]:
        """What /healthz tells: ``lag_*_ms`` of the last 15 s, ``rss_mib``."""
        async with aiohttp.ClientSession() as http, http.get(self.pages + "/healthz") as reply:
            told: dict[str, Any] = await reply.json()
            return told

    async def stop(self) -> None:
        """End it as an operator does; its log must hold nothing that escaped."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(20):
            await asyncio.gather(self.process.wait(), self._reading)
        log = self.log.read_text(encoding="utf-8")
        assert "Traceback" not in log and "never retrieved" not in log, log


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of the bot, and with compiled files allowed."""
    ours = ("K2C_", "DISCORD_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return kept | {"PYTHONUNBUFFERED": "1"}


async def _spawn(log: Path, cwd: Path, command: Iterable[str], **settings: str) -> Bot:
    spawned_s = time.perf_counter()
    with _fresh(log) as errors:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, stdout=PIPE, stderr=errors, env=clean_environment() | settings
        )
    return Bot(process, spawned_s, log)


def _fresh(log: Path) -> IO[str]:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("w", encoding="utf-8")


@asynccontextmanager
async def our_bot(fake: FakeDiscord, folder: Path) -> AsyncIterator[Bot]:
    """``k2c up`` with its data in ``folder``, from spawn; the block need not wait for it twice."""
    bot = await _spawn(
        folder / "bot.log",
        folder,
        (str(K2C), "up"),
        DISCORD_TOKEN=fake.token,
        DISCORD_API_BASE=fake.api_base,
        DISCORD_GUILD_ID=str(fake.home.id),
        K2C_DATA_DIR=str(folder / "data"),
        K2C_REFRESH="off",
        K2C_HTTP_PORT="0",
    )
    try:
        yield bot
    finally:
        await bot.stop()
        await asyncio.to_thread(stop_broker, folder / "data" / "broker")


@asynccontextmanager
async def minimal_bot(fake: FakeDiscord, folder: Path) -> AsyncIterator[Bot]:
    """The smallest bot of the same library, once it can be asked."""
    command = (sys.executable, "-W", "ignore", "-m", "tests.bench.minimal_bot")
    bot = await _spawn(
        folder / "minimal.log",
        ROOT,
        command,
        DISCORD_TOKEN=fake.token,
        DISCORD_API_BASE=fake.api_base,
        DISCORD_GATEWAY_URL=fake.gateway_url,
    )
    try:
        await fake.ready(START_S)
        await fake.wait_for(lambda: fake.commands, START_S)
        yield bot
    finally:
        await bot.stop()


async def registered(bot: Bot, fake: FakeDiscord) -> float:
    """Seconds from spawn until /throughput is registered and the gateway is connected."""
    heard_s = await bot.heard("discord")
    await fake.ready(START_S)
    await fake.wait_for(lambda: "throughput" in {c["name"] for c in fake.commands}, START_S)
    return max(heard_s, time.perf_counter() - bot.spawned_s)


def title(text: str) -> None:
    """A heading before figures."""
    print(f"\n== {text}")


def figure(name: str, *values: object) -> None:
    """One line of figures; floats with three significant digits, lists by their median."""
    print(f"   {name:<52} " + "  ".join(_shown(value) for value in values))


def _shown(value: object) -> str:
    if isinstance(value, list):
        inner = " ".join(_shown(item) for item in sorted(value))
        return f"{_shown(statistics.median(value))} (of {inner})"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
