"""200 articles at once, people who ask meanwhile, and webhooks while both services hang."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import pytest

from bot.community.words import ChannelSetting
from tests.bot.end_to_end.world import KEY, House, a_house
from tests.fakes.discord.load import LoadPlan, LoadResult, Shot, quantiles, run_load

pytestmark = [pytest.mark.slow]

ARTICLES = 200
PACE_S = 0.01  # 1 s in production
MINUTE_S = 2.0  # in which 80 posts are made
ASKED = (
    Shot("topics"),
    Shot("throughput", {"gpu": "h100", "model": "meta-llama/Llama-3.1-8B"}),
    Shot("articles", {"topic": "inference"}),
    Shot("throughput", {"gpu": "l40s", "model": "Qwen/Qwen3-8B", "batch": "4"}),
)
KNOWN = {shot.command for shot in ASKED}
DELIVERIES = 100
HANGS_S = 3.0
LONGEST_S = 120.0
ACK_MS = 3_000.0  # Discord waits that long; a machine that stands still fails a few, not half


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        made.environment = {
            "E2E_CHANGE_EVERY_S": str(PACE_S), "E2E_MINUTE_S": str(MINUTE_S),
            "E2E_GRACE_S": "5", "E2E_PAUSE_S": "0.5", "K2C_CHART_QUEUE": "0",
        }  # fmt: skip
        made.write("old", date="2026-01-01")
        home = made.discord.home
        alone = ChannelSetting(home.id, "announcements", home.channel("articles").id)
        await made.configure(alone, places=())
        await made.start()
        await made.until(lambda: made.rows("SELECT state FROM articles") == [("baseline",)])
        await made.until(
            lambda: {"topics", "throughput"} <= {c["name"] for c in made.discord.commands}
        )
        yield made


async def test_200_articles_at_once_keep_githubs_pace_and_members_are_answered(
    house: House,
) -> None:
    github = house.github
    github.limits.content_per_minute, github.limits.minute_s = 80, MINUTE_S
    retry = github.faults.add("createDiscussion", "403_retry_after", skip=50, retry_after_s=1)
    primary = github.faults.add("createDiscussion", "rate_limited_200", skip=100, retry_after_s=1)
    for number in range(ARTICLES):
        house.write(f"a{number}", tags="")
    began = time.monotonic()
    await house.pushed()
    answers = LoadResult()
    while len(linked(house)) < ARTICLES and time.monotonic() < began + LONGEST_S:
        asked = await run_load(house.discord, LoadPlan(ASKED, seconds=2.0, rate=4.0))
        answers.sent, answers.late = answers.sent + asked.sent, answers.late + asked.late
        answers.ack_ms += asked.ack_ms
    took_s = time.monotonic() - began
    await house.quiet()
    assert Counter(d.title for d in house.discussions()) == {
        f"About a{number}": 1 for number in range(ARTICLES)
    }
    keys = [KEY.findall(str(m.json["components"]))[0] for m in house.messages("articles")]
    assert len(keys) == len(set(keys)) == len(linked(house)) == ARTICLES
    assert github.most_in_flight_mutations == 1
    assert min(github.gaps_s) >= PACE_S
    # No more than these two: the limit of posts a minute was never met.
    refused = [call for call in github.mutations if not call.applied]
    assert len(refused) == retry.hits + primary.hits == 2
    for call in refused:
        assert min(c.at for c in github.calls if c.at > call.ended) - call.ended >= 1.0
    assert answers.late == 0 and len(answers.ack_ms) == answers.sent
    assert median(answers.ack_ms) < ACK_MS
    print(  # noqa: T201 -- the figures
        f"\n{ARTICLES} articles in {took_s:.1f} s, {len(github.mutations)} changes on GitHub, "
          f"at least {min(github.gaps_s) * 1e3:.1f} ms apart; "
          f"{_words(answers.ack_ms)} to the answer of a command")  # fmt: skip


async def test_deliveries_are_taken_while_github_and_discord_hang(house: House) -> None:
    """People talk on GitHub; the bot can neither post nor read, and takes all of it."""
    house.github.faults.add("*", "timeout", times=10**6)
    house.github.hang_s = HANGS_S
    slow = house.discord.fault("*", "/channels/*", delay_s=HANGS_S, times=10**6)
    late = [f"a{number}" for number in range(10)]
    for slug in late:
        house.write(slug, tags="")
    await house.pushed()
    await asyncio.sleep(1.0)  # GitHub tells whole seconds: after the one in which the bot began
    started = [house.github.add_discussion(title=f"Question {number}", body="How?")
               for number in range(DELIVERIES)]  # fmt: skip
    taken_ms = []
    for discussion in started:
        payload = house.github.event("discussion.created", discussion)
        began = time.perf_counter()
        assert await house.deliver("discussion", "created", payload) == 202
        taken_ms.append((time.perf_counter() - began) * 1e3)
    await house.until(lambda: slow.hits)
    print(  # noqa: T201 -- the figures
        f"\n{_words(taken_ms)} to the answer of a delivery while both services hang"
    )
    house.discord.faults.clear()
    house.github.faults.clear()
    # A few notices at once, the others gathered until later; all are kept.
    talk = house.discord.home.channel("talk")
    await house.until(lambda: house.discord.channel_messages(talk))
    assert house.rows("SELECT COUNT(*) FROM talks") == [(DELIVERIES,)]
    await house.until(lambda: len(house.messages("articles")) == len(late))


def linked(house: House) -> list[str]:
    """Titles of Discussions that link to their message: the last step of each article."""
    return [d.title for d in house.discussions() if "https://discord.com/channels/" in d.body]


def _words(values_ms: list[float]) -> str:
    found = quantiles(values_ms)
    return f"p50 {found['p50']:.0f}, p99 {found['p99']:.0f}, max {found['max']:.0f} ms"
