"""Many runs at once: every answer comes once, and nobody else waits for them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bot.integrations.discord_client import following
from bot.results import Deleter
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels
from tests.bot.integrations.discord_client.test_jobs import COMMANDS, RESULT, answers, asked
from tests.fakes.jobs import FakeJobs

pytestmark = pytest.mark.slow

RUNS, PEOPLE = 100, 20


async def test_a_hundred_answers_at_once_are_each_given_once_and_hold_up_no_command(
    world: World,
) -> None:
    world.jobs = jobs = FakeJobs()
    world.settings = {"user_per_minute": 1000}
    async with world.bot(COMMANDS):
        people = [world.fake.user(f"person-{n}") for n in range(PEOPLE)]
        for n in range(RUNS):
            await people[n % PEOPLE].slash("lap", {"laps": 3, "car": f"car-{n}"})
        await world.fake.wait_for(lambda: len(jobs.runs) == RUNS, 60)
        ending = [
            asyncio.create_task(jobs.end(result_id, result=RESULT)) for result_id in jobs.runs
        ]
        while not all(run.delivery for run in jobs.runs.values()):
            await world.fake.user("bob").slash("lap", {"laps": 0})  # fails after Discord's 3 s
            await asyncio.sleep(0.1)
        await asyncio.gather(*ending)
        told = Counter(ping for message in answers(world) for ping in message.pings)
        assert told == {person.id: RUNS // PEOPLE for person in people}
        assert {run.delivery for run in jobs.runs.values()} == {"posted"}


async def test_a_long_queue_is_told_in_few_edits(world: World) -> None:
    """Every end moves everybody up: with an edit for each of them Discord would refuse us."""
    world.jobs = jobs = FakeJobs()
    world.settings = {"user_per_minute": 1000}
    async with world.bot(COMMANDS):
        for n in range(40):
            await world.fake.user(f"person-{n}").slash("lap", {"laps": 3})
        await world.fake.wait_for(lambda: len(jobs.runs) == 40)
        await asyncio.sleep(0.3)
        before = len(world.fake.requests)
        for step in range(20):
            for place, result_id in enumerate(jobs.runs):
                jobs.report(result_id, place=max(place - step, 1))
            await asyncio.sleep(0.1)
        edits = [c for c in world.fake.requests[before:] if c.method == "PATCH"]
        assert 3 <= len(edits) <= 60  # and not 20 x 40


async def test_far_back_in_the_queue_an_end_is_shown_soon_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "EVERY_S", 0.1)
    world.jobs = jobs = FakeJobs()
    async with world.bot(COMMANDS):
        alice, reply = await asked(world)
        run_id = jobs.newest.row.id
        jobs.report(run_id, place=90)
        await reply.finished(lambda r: "90th in line" in r.text)
        jobs.report(run_id, place=89)
        assert await jobs.cancel(run_id, Deleter(user_id=alice.id)) == "cancelled"
        await world.fake.wait_for(lambda: labels(reply.message) == ["Change inputs"], 4)
