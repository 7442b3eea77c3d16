"""What 200 announcements at once cost those who ask meanwhile, in time and in memory.

GitHub's pace is 50 times the real one, so that what takes 7 minutes there takes seconds here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.bench.harness import MIB, figure, title
from tests.bot.end_to_end.world import House, a_house
from tests.fakes.discord.load import LoadPlan, LoadResult, Shot, quantiles, run_load

pytestmark = pytest.mark.bench

ARTICLES = 200
RATE = 5.0  # commands a second
IDLE_S = 12.0
HOOKS_EVERY_S = 0.1
LONGEST_S = 180.0
ASKED = (
    Shot("topics"),
    Shot("throughput", {"gpu": "h100", "model": "meta-llama/Llama-3.1-8B"}),
    Shot("articles"),
    Shot("throughput", {"gpu": "l40s", "model": "Qwen/Qwen3-8B", "batch": "4"}),
)


async def test_members_and_webhooks_during_200_announcements(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        house.environment = {
            "E2E_CHANGE_EVERY_S": "0.02", "E2E_MINUTE_S": "1.2", "E2E_GRACE_S": "45",
            "K2C_CHART_QUEUE": "0",
        }  # fmt: skip
        house.discord.crosspost_hour_s = 1.0
        house.write("old", date="2026-01-01")
        await house.configure()
        await house.start()
        await house.until(lambda: house.rows("SELECT state FROM articles") == [("baseline",)])
        await run_load(house.discord, LoadPlan(ASKED, seconds=3.0, rate=RATE))  # warm
        before_mib = _rss_mib(house)
        ends = time.monotonic() + IDLE_S
        idle, idle_hooks = await _measured(house, lambda: time.monotonic() >= ends)
        for number in range(ARTICLES):
            house.write(f"a{number}")
        began = time.monotonic()
        await house.pushed()
        busy, busy_hooks = await _measured(house, lambda: _done(house))
        took_s = time.monotonic() - began
        await house.quiet(LONGEST_S)
        _print(idle, busy, idle_hooks, busy_hooks)
        figure("200 articles to GitHub and three channels (s)", took_s)
        figure("RSS with GitHub, Discord, articles: before, after (MiB)",
               before_mib, _rss_mib(house))  # fmt: skip
        assert busy.late == idle.late == 0


async def _measured(house: House, over: Callable[[], bool]) -> tuple[LoadResult, list[float]]:
    """Commands and deliveries until it is ``over``."""
    hooks_ms: list[float] = []
    hooking = asyncio.create_task(_hook(house, hooks_ms))
    every, until = LoadResult(), time.monotonic() + LONGEST_S
    try:
        while not over() and time.monotonic() < until:
            some = await run_load(house.discord, LoadPlan(ASKED, seconds=2.0, rate=RATE))
            every.sent, every.late = every.sent + some.sent, every.late + some.late
            every.ack_ms += some.ack_ms
    finally:
        hooking.cancel()
        await asyncio.gather(hooking, return_exceptions=True)
    return every, hooks_ms


async def _hook(house: House, took_ms: list[float]) -> None:
    """People comment on GitHub."""
    discussion = house.github.add_discussion(title="How?", body="Why?")
    while True:
        comment = house.github.comment(discussion, "Because.")
        payload = house.github.event("discussion_comment.created", discussion, comment=comment)
        began = time.perf_counter()
        assert await house.deliver("discussion_comment", "created", payload) == 202
        took_ms.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(HOOKS_EVERY_S)


def _done(house: House) -> bool:
    """Whether each Discussion links to its messages, which is the last step."""
    linked = [d for d in house.discussions() if "https://discord.com/channels/" in d.body]
    return len(linked) == ARTICLES


def _rss_mib(house: House) -> float:
    assert house.process is not None
    return float(psutil.Process(house.process.pid).memory_info().rss) / MIB


def _print(
    idle: LoadResult, busy: LoadResult, idle_hooks: list[float], busy_hooks: list[float]
) -> None:
    title(f"{ARTICLES} articles at once, commands at {RATE:g}/s, deliveries meanwhile")
    for name, before, during in (
        ("ack of a command", idle.ack_ms, busy.ack_ms),
        ("answer to a delivery", idle_hooks, busy_hooks),
    ):
        old, new = quantiles(before), quantiles(during)
        figure(f"{name}, idle: n, p50, p99 (ms)", old["n"], old["p50"], old["p99"])
        figure(f"{name}, meanwhile: n, p50, p99, max (ms)", new["n"], new["p50"], new["p99"],
               new["max"])  # fmt: skip
        figure(f"{name}: p50 and p99, meanwhile / idle", new["p50"] / old["p50"],
               new["p99"] / old["p99"])  # fmt: skip
