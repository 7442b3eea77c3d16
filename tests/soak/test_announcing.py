"""Articles are announced once by a bot that is killed all the time, between services that fail."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.bot.end_to_end.world import House, a_house
from tests.fakes.discord.faults import Fault as DiscordFault
from tests.fakes.discord.faults import Faults as DiscordFaults
from tests.fakes.github import Call
from tests.fakes.github import Fault as GitHubFault
from tests.fakes.github.faults import Faults as GitHubFaults
from tests.soak import plan
from tests.soak.newsroom import Newsroom, Verdict

pytestmark = pytest.mark.soak

ARTICLES, KILLS = 60, 50
SHARE = 0.2  # of the requests that change something; a quarter of it of those that read
LIFE_S = (0.0, 5.0)  # after the pages are served
EARLY = 0.2  # of the kills, while the bot starts
GRACE_S = 2.0  # 40 to 45 s in production; what a fault holds back comes far earlier
LIST_LAG_S = 0.3
CALM_S = 240.0

GITHUB: tuple[tuple[Any, bool], ...] = (
    ("502", False), ("502", True), ("timeout", False), ("timeout", True), ("reset", False),
    ("reset", True), ("truncated", False), ("truncated", True), ("html", False), ("html", True),
    ("partial", True), ("slow", False), ("slow", True), ("403_retry_after", False),
    ("rate_limited_200", False),
)  # fmt: skip
DISCORD: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "retry_after": 0.4},
    "429 of the whole bot": {"status": 429, "retry_after": 0.4, "whole_bot": True},
    "500": {"status": 500}, "502": {"status": 502}, "503": {"status": 503},
    "500 after": {"status": 500, "after": True}, "502 after": {"status": 502, "after": True},
    "503 after": {"status": 503, "after": True},
    "reset before": {"reset": "before"}, "reset after": {"reset": "after"},
    "slow before": {"delay_s": 0.4}, "slow after": {"late_s": 0.4},
    "lost": {"late_s": 2.5},
}  # fmt: skip


class GitHubWeather(GitHubFaults):
    """Faults by chance, before and after the work."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance, self.on, self.counts = chance, False, Counter[str]()

    def meet(self, call: Call) -> GitHubFault | None:
        """By chance."""
        share = SHARE if call.changes else SHARE / 4
        if not self.on or self.chance.random() >= share:
            return None
        kind, applied = self.chance.choice(GITHUB)
        self.counts[f"{kind} {'after' if applied else 'before'}"] += 1
        return GitHubFault(call.name, kind, applied, hits=1, retry_after_s=1.0, delay_s=0.4)


class DiscordWeather(DiscordFaults):
    """Faults by chance of whatever concerns a channel."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance, self.on, self.counts = chance, False, Counter[str]()

    def meet(self, method: str, path: str) -> DiscordFault | None:
        """By chance."""
        share = SHARE / 4 if method == "GET" else SHARE
        if not self.on or not path.startswith("/channels/") or self.chance.random() >= share:
            return None
        name = self.chance.choice(list(DISCORD))
        self.counts[name] += 1
        return DiscordFault(method, path, hits=1, **DISCORD[name])


async def told(house: House) -> None:
    """GitHub tells of a push, if anybody is there."""
    if house.url:
        try:
            await house.pushed()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return


async def live(room: Newsroom, number: int) -> None:
    """One life of the bot: articles come and change, and then it is killed."""
    house, chance = room.house, room.chance
    left = ARTICLES - len(room.written)
    # Bursts: every third life or so brings some, so that all are there 5 lives before the end.
    if left and chance.random() < 0.35 + 0.65 * (number > KILLS - 8):
        room.publish(min(left, chance.choice((2, 3, 4, 8))))
    await house.spawn()
    if chance.random() < EARLY:
        await asyncio.sleep(chance.uniform(0.2, 2.5))
    else:
        await house.served()
        for _ in range(chance.choice((1, 2, 2, 3))):
            await asyncio.sleep(chance.uniform(*LIFE_S) / 3)
            room.change()
            await told(house)
        await asyncio.sleep(chance.uniform(*LIFE_S) / 2)
        if chance.random() < 0.3:
            await room.ask()
        if chance.random() < 0.1:
            house.discord.gateway.drop()
    await house.kill()


async def settle(room: Newsroom) -> list[str]:
    """One life in good weather; what is wrong at its end, which should be nothing."""
    house = room.house
    await house.start()
    until = time.monotonic() + CALM_S
    while (wrong := Verdict(room).wrong) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(1.0)
    await house.quiet()
    await house.stop()
    return wrong


async def test_fifty_kills_and_a_lost_database_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = plan.begin("Announcing: faults on both sides, kill -9, a lost database")
    began = time.monotonic()
    async with a_house(tmp_path) as house:
        room = Newsroom(house, random.Random(chance.random()))
        github = house.github.faults = GitHubWeather(random.Random(chance.random()))
        discord = house.discord.faults = DiscordWeather(random.Random(chance.random()))
        house.github.hang_s, house.github.list_lag_s = 1.2, LIST_LAG_S
        house.discord.crosspost_hour_s = 5.0  # 10 in that time
        house.environment = {"E2E_GRACE_S": str(GRACE_S), "E2E_PAUSE_S": "0.5",
                             "E2E_MINUTE_S": "5", "K2C_POLL_S": "5"}  # fmt: skip
        house.write("old", date="2026-01-01")
        await house.configure()
        await house.start()
        await house.until(lambda: house.rows("SELECT state FROM articles") == [("baseline",)])
        await house.stop()
        github.on = discord.on = True
        for number in range(KILLS):
            await live(room, number)
            if number == KILLS // 2:
                house.lose_database()
                await house.configure()
                room.lost_at = time.time()
        github.on = discord.on = False
        wrong = await settle(room)
        report(room, github.counts, discord.counts, time.monotonic() - began)
        assert wrong == [], "\n".join([*wrong, house.standing()])
        again = await settle(room)  # a last start does nothing
        assert again == [] and Verdict(room).wrong == []
        assert house.github.most_in_flight_mutations == 1
        assert escaped(house.log()) == []


def escaped(log: str) -> list[str]:
    """Tracebacks in the log but those of the library's own reconnects."""
    records = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", log)
    return [one for one in records
            if ("Traceback" in one or "never retrieved" in one)
            and " discord.client: Attempting a reconnect" not in one]  # fmt: skip


def report(room: Newsroom, github: Counter[str], discord: Counter[str], took_s: float) -> None:
    """What happened, on the screen."""
    house = room.house
    plan.figures(seconds=took_s, kills=KILLS, articles=len(room.written), **room.counts)
    plan.figures(faults_on_GitHub=github.total(), **github)
    plan.figures(faults_on_Discord=discord.total(), **discord)
    log = house.log()
    plan.figures(
        mutations_on_GitHub=len(house.github.mutations),
        writes_to_Discord=sum(c.method != "GET" for c in house.discord.requests),
        attempts_of_unknown_outcome=log.count("may have been done or not"),
        found_done_after_all=log.count("was done by an attempt that had no answer"),
    )  # fmt: skip
