"""Two hundred visitors at once, many up to no good: the pages answer, and forget them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.bench.harness import Bot
from tests.soak import plan
from tests.soak.lives import Lives, growth
from tests.soak.visitors import QUESTION, TOOL, Visitors

pytestmark = pytest.mark.soak

AT_ONCE = 200
PAUSE_S = (0.2, 3.0)  # of one visitor between two visits
HEALTH_S = 10.0  # in which /healthz must answer; a person would have left long before
HEALTH_EVERY_S = 0.25
FORGOTTEN_TRIES = 150  # ten a second
SPARE_FILES = 4  # connections of threads that the start did not need yet
GROWTH = 1.3


@asynccontextmanager
async def pages(folder: Path) -> AsyncIterator[Lives]:
    """The real process without Discord, warmed up; at the end nothing may be in its log."""
    lives = Lives(folder, {"K2C_USER_PER_MINUTE": "10000", "HF_ENDPOINT": "http://127.0.0.1:9"})
    try:
        bot = await lives.start()
        await bot.heard("pages")
        await warm(bot)
        yield lives
        await lives.end("term")
        assert lives.ends == [("term", 0)]
        assert lives.complaints() == []
        assert await lives.left_behind() == []
    finally:
        if lives.bot is not None and lives.bot.process.returncode is None:
            await lives.end("kill")


async def warm(bot: Bot) -> None:
    """Have every part open its files: the database's readers and the process that draws."""
    async with aiohttp.ClientSession(bot.pages) as http:
        for _ in range(4):
            async with http.post(TOOL, json=QUESTION) as reply:
                path = "/r/" + (await reply.json())["id"]
            for end in ("", ".json", "/chart.png"):
                async with http.get(path + end) as reply:
                    assert reply.status == 200


async def visit(visitors: Visitors, until_s: float) -> None:
    """One after the other, until the time is over."""
    chance = random.Random(visitors.chance.random())
    while time.monotonic() < until_s:
        await asyncio.sleep(chance.uniform(*PAUSE_S))
        await visitors.one()


async def ask_health(bot: Bot, until_s: float, asked: Counter[str]) -> None:
    """Ask again and again how it is; a failure is counted, not raised."""
    timeout = aiohttp.ClientTimeout(total=HEALTH_S)
    async with aiohttp.ClientSession(bot.pages, timeout=timeout) as http:
        while time.monotonic() < until_s:
            try:
                async with http.get("/healthz") as reply:
                    asked["good" if reply.status == 200 else str(reply.status)] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                asked[type(error).__name__] += 1
            await asyncio.sleep(HEALTH_EVERY_S)


async def forgotten(process: psutil.Process, allowed: int) -> int:
    """How many files it has open once it had time to close them."""
    for _ in range(FORGOTTEN_TRIES):
        if process.num_fds() <= allowed:
            break
        await asyncio.sleep(0.1)
    return int(process.num_fds())


async def test_two_hundred_visitors_are_answered_and_leave_nothing_behind(tmp_path: Path) -> None:
    chance, asked = plan.begin("pages: valid, hostile, slow and vanishing visitors"), Counter[str]()
    async with pages(tmp_path) as lives:
        assert lives.bot is not None
        process = psutil.Process(lives.bot.process.pid)
        before = process.num_fds()
        visitors = Visitors(int(lives.bot.pages.rpartition(":")[2]), chance)
        until_s = time.monotonic() + plan.seconds()
        watching = asyncio.create_task(lives.watch())
        await asyncio.gather(
            ask_health(lives.bot, until_s, asked),
            *(visit(visitors, until_s) for _ in range(AT_ONCE)),
        )
        watching.cancel()
        after = await forgotten(process, before + SPARE_FILES)
    plan.figures(visits=visitors.ends.total())
    plan.figures(**{f"{kind}, {end}": n for (kind, end), n in sorted(visitors.ends.items())})
    plan.figures(**{f"status {s}": n for s, n in sorted(visitors.statuses.items())})
    plan.figures(**{f"/healthz {how}": n for how, n in asked.items()})
    plan.figures(open_files_before_and_after=f"{before} {after}",
                 memory_last_quarter_over_first=growth(lives.rss_mib))  # fmt: skip
    closed = {name: n for name, n in visitors.unanswered.items() if n}
    plan.figures(closed_without_an_answer=closed)
    assert not [kind for kind, end in visitors.ends if end == "hung"]
    assert not visitors.ends["valid", "closed"] and not visitors.ends["many in one", "closed"]
    assert not [status for status in visitors.statuses if status >= 500]
    assert set(asked) == {"good"}
    assert after <= before + SPARE_FILES
    assert growth(lives.rss_mib) < GROWTH
