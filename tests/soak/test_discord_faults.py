"""The real process for minutes of bad weather: each question ends in one answer or a known reason.

docs/operating.md says what a member sees when Discord or the process is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bench.harness import START_S
from tests.fakes.discord import FakeDiscord
from tests.soak import plan, verdict
from tests.soak.hub import hub
from tests.soak.lives import End, Lives, growth
from tests.soak.people import Asked, Crowd, button_ids
from tests.soak.weather import Line, Weather, gateway_trouble, heard

pytestmark = pytest.mark.soak

RATE = 9.0  # interactions a second
QUIET_S = 25.0  # for the last edits
LIFE_S = (3.0, 11.0)  # between a start and the next end
PRESSED_AFTER = 60  # answers whose buttons are tried at the end
GROWTH = 1.3
KEPT_NO_LONGER = "no longer kept"


@dataclass
class Scene:
    """Discord, the bot and the people."""

    fake: FakeDiscord
    weather: Weather
    line: Line
    lives: Lives
    crowd: Crowd
    judge: verdict.Judge
    chance: random.Random
    troubles: Counter[str] = field(default_factory=Counter)

    async def enter(self) -> None:
        """Start a process and wait until it can be asked."""
        known = len(self.fake.identifies)
        bot = await self.lives.start()
        await bot.heard("discord")
        await self.fake.wait_for(
            lambda: len(self.fake.identifies) > known and heard(self.fake), START_S
        )

    async def restart(self, how: End) -> None:
        """End the process and start the next."""
        await self.lives.end(how)
        await self.enter()
        self.lives.back()

    async def calm(self) -> None:
        """The weather ends; what is under way gets its time."""
        self.weather.on = False
        await self.fake.wait_for(lambda: heard(self.fake), QUIET_S)
        waiting = [one for one in self.crowd.asked if one.reply.answered]

        def done() -> bool:
            return not any(thinking(o) and not self.judge.excuse_thinking(o) for o in waiting)

        with contextlib.suppress(TimeoutError):  # the verdict names them
            await self.fake.wait_for(done, QUIET_S)
        await asyncio.sleep(verdict.ACK_S + 0.5)


@asynccontextmanager
async def scene(folder: Path, chance: random.Random) -> AsyncIterator[Scene]:
    """Everything running; at the end the last process is asked to stop."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeDiscord())
        weather = Weather(random.Random(chance.random()))
        fake.faults = weather
        lives = Lives(folder, {
            "DISCORD_TOKEN": fake.token, "DISCORD_API_BASE": fake.api_base,
            "DISCORD_GUILD_ID": fake.home.id, "K2C_FOREIGN_PER_MINUTE": "300",
            "HF_ENDPOINT": await stack.enter_async_context(hub()),
        })  # fmt: skip
        line, crowd = Line(fake), Crowd(fake, random.Random(chance.random()))
        made = Scene(fake, weather, line, lives, crowd, verdict.Judge(fake, weather, line), chance)
        made.judge.gaps = lives.gaps
        try:
            await made.enter()
            yield made
        finally:
            if lives.bot is not None and lives.bot.process.returncode is None:
                await lives.end("term")


@asynccontextmanager
async def storm(s: Scene, every_s: float) -> AsyncIterator[None]:
    """People ask while things go wrong; what fails in the background fails the test."""
    s.weather.on = True
    running = [
        asyncio.create_task(work)
        for work in (
            s.line.watch(),
            s.lives.watch(),
            s.crowd.run(RATE),
            gateway_trouble(s.fake, random.Random(s.chance.random()), s.troubles, every_s),
        )
    ]
    try:
        yield
    finally:
        for task in running[2:]:
            task.cancel()
        await asyncio.gather(*running[2:], return_exceptions=True)
        failed = [t.exception() for t in running if t.done() and not t.cancelled()]
        try:
            await s.calm()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        for error in filter(None, failed):
            raise error


def thinking(one: Asked) -> bool:
    """Whether its message still says so."""
    stored = one.reply.interaction.response
    return stored is not None and not stored.deleted and one.reply.thinking


def judge(s: Scene) -> Counter[str]:
    """Every promise about every question; how often each excuse was needed."""
    excuses: Counter[str] = Counter()
    for one in s.crowd.asked:
        assert not verdict.repeated(one.reply.interaction), describe(s, one)
        if not one.reply.answered:
            excuse = s.judge.excuse(one)
            assert excuse, f"nobody answered {describe(s, one)}"
            excuses[f"unanswered: {excuse}"] += 1
        elif thinking(one):
            excuse = s.judge.excuse_thinking(one)
            assert excuse, f"still thinking: {describe(s, one)}"
            excuses[f"thinking for good: {excuse}"] += 1
    assert verdict.doubled(s.fake, s.crowd.asked) == []
    assert verdict.pings(s.fake, s.crowd.asked) == []
    assert verdict.failures(s.fake) == []
    assert s.fake.violations == []
    excuses["posted to the channel instead"] = len(verdict.posts(s.fake))
    return excuses


def describe(s: Scene, one: Asked) -> str:
    """All that is known of a question, for whoever looks for the reason."""
    interaction = one.reply.interaction
    calls = [
        f"{c.at_s - interaction.sent_s:+.2f} s {c.method} {c.template} {c.status} {c.code}"
        for c in s.fake.requests
        if interaction.id in c.path or interaction.token in c.path
    ]
    met = s.weather.met[interaction.id] + s.weather.met[interaction.token]
    gaps = [(g.how, g.start_s - interaction.sent_s) for g in s.lives.gaps]
    away = [(a - interaction.sent_s, b - interaction.sent_s) for a, b, _ in s.line.away]
    near = [pair for pair in away if -5 < pair[0] < 5]
    data = str(interaction.payload["data"])[:300]
    return f"{one.what} {one.where.keys()} {data}\n{calls}\n{met}\n{gaps}\naway {near}"


async def buttons_work(s: Scene) -> tuple[int, int]:
    """Open the form of answers of every life: (opened, no longer kept for a known reason)."""
    old = [one for one in s.crowd.pressable() if change_button(one)]
    chosen = s.chance.sample(old, min(PRESSED_AFTER, len(old)))
    deleted = {
        b.split(":")[2] for one in s.crowd.asked if "k2c:delete:" in (b := verdict.pressed(one))
    }
    opened = lost = 0
    for one in chosen:
        button = change_button(one)
        again = await one.person.click(one.reply.message, button)
        if again.interaction.modal is not None:
            opened += 1
            continue
        assert KEPT_NO_LONGER in again.text, again.text
        known = button.split(":")[2] in deleted or s.judge.may_be_lost(one)
        assert known, f"an answer is lost: {describe(s, one)}"
        lost += 1
    return opened, lost


def change_button(one: Asked) -> str:
    """Its Change inputs button; empty when it has none."""
    ids = [b for b in button_ids(one.reply.message) if verdict.RESULT.fullmatch(b)]
    return ids[0] if ids else ""


async def farewell(s: Scene) -> None:
    """A graceful end: code 0, nothing in any log, no process left."""
    await s.lives.end("term")
    assert all(code == 0 for how, code in s.lives.ends if how == "term"), s.lives.ends
    assert s.lives.complaints() == []
    assert await s.lives.left_behind() == []


def report(s: Scene, excuses: Counter[str]) -> None:
    """What happened, on the screen."""
    plan.figures(interactions=len(s.crowd.asked), **s.crowd.counts)
    plan.figures(requests_met_by_a_fault=s.weather.counts.total(), **s.weather.counts)
    plan.figures(gateway_and_token_troubles=s.troubles.total(), **s.troubles)
    away = [end - start for start, end, _ in s.line.away]
    plan.figures(seconds_without_a_gateway=sum(away), longest=max(away, default=0.0))
    plan.figures(**excuses)


async def test_every_question_ends_in_one_answer_and_memory_stays(tmp_path: Path) -> None:
    chance = plan.begin("Discord: faults at one process")
    async with scene(tmp_path, chance) as s:
        async with storm(s, every_s=3.0):
            await asyncio.sleep(plan.seconds())
        excuses = judge(s)
        opened, lost = await buttons_work(s)
        await farewell(s)
    report(s, excuses)
    ratio = growth(s.lives.rss_mib)
    plan.figures(forms_opened_at_the_end=opened, answers_no_longer_kept=lost,
                 memory_last_quarter_over_first=ratio, rss_mib=s.lives.rss_mib[-1])  # fmt: skip
    assert ratio < GROWTH


async def test_restarts_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = plan.begin("Discord: faults, kill -9 and SIGTERM")
    async with scene(tmp_path, chance) as s:
        async with storm(s, every_s=6.0):
            until = s.fake.now() + plan.seconds()
            while s.fake.now() < until:
                await asyncio.sleep(chance.uniform(*LIFE_S))
                await s.restart("kill" if chance.random() < 0.65 else "term")
        excuses = judge(s)
        opened, lost = await buttons_work(s)
        await farewell(s)
    report(s, excuses)
    plan.figures(**Counter[str](how for how, _ in s.lives.ends))
    plan.figures(forms_opened_at_the_end=opened, answers_no_longer_kept=lost)
