"""A finished job's answer when the post itself goes wrong: neither lost nor doubled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.integrations.discord_client import delivery
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.test_delivery import jobs, once
from tests.bot.integrations.discord_client.test_jobs import (
    COMMANDS,
    RESULT,
    answered,
    answers,
    asked,
    delivered,
)
from tests.fakes.jobs import FakeJobs

__all__ = ["jobs"]  # the fixture

pytestmark = pytest.mark.slow

POST = ("POST", "/channels/*/messages")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "times": 2},
        {"status": 503},
        {"status": 429},
        {"reset": "before"},
        {"reset": "after"},
        {"reset": "after", "times": 2},
        {"late_s": 0.6},
        {"delay_s": 0.6},
    ],
    ids=str,
)
async def test_a_post_that_goes_wrong_is_neither_lost_nor_doubled(
    world: World, jobs: FakeJobs, fault: dict[str, Any]
) -> None:
    async with world.bot(COMMANDS):
        _, reply = await asked(world)
        world.fake.fault(*POST, **fault)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")
        await reply.finished(lambda r: "finished, see below" in r.text)


@pytest.mark.parametrize("fault", [{"reset": "after"}, {"late_s": 0.6}, {"reset": "before"}])
async def test_where_discord_forgets_nonces_the_message_is_looked_for(
    world: World, jobs: FakeJobs, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TRIES_S", (0.4,))
    world.fake.nonce_window_s = 0.0
    async with world.bot(COMMANDS) as bot:
        await asked(world)
        world.fake.fault(*POST, **fault)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")
        told = await bot.outbox.state_of(f"answer:{jobs.newest.row.id}")
        assert told is not None and told.attempts == (2 if fault == {"reset": "before"} else 1)


@pytest.mark.parametrize("applied", [True, False])
async def test_killed_while_posting_it_is_answered_once_after_the_restart(
    world: World, jobs: FakeJobs, applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.outbox.FINISH_S", 0.0)
    world.fake.nonce_window_s = 0.0
    async with world.bot(COMMANDS) as bot:
        _, reply = await asked(world)
        what: dict[str, Any] = {"late_s": 5.0} if applied else {"reset": "before", "times": 99}
        fault = world.fake.fault(*POST, **what)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await world.fake.wait_for(lambda: fault.hits and bool(answers(world)) is applied)
        bot.delivering.cancel()
        await asyncio.gather(bot.delivering, return_exceptions=True)
        world.fake.faults.clear()
    async with world.bot(COMMANDS):
        await once(world, jobs, "posted")
        await reply.finished(lambda r: "finished, see below" in r.text)


async def test_an_answer_under_three_hundred_later_messages_is_still_found(
    world: World, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TRIES_S", (0.4,))
    world.fake.nonce_window_s = 0.0
    async with world.bot(COMMANDS):
        await asked(world)
        world.fake.fault(*POST, reset="after")
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await answered(world)
        bob = world.fake.user("bob")
        for number in range(300):
            await bob.say(f"message {number}")
        await once(world, jobs, "posted")


async def test_where_history_is_closed_the_nonce_alone_keeps_it_from_doubling(
    world: World, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TRIES_S", (0.4,))
    async with world.bot(COMMANDS):
        await asked(world)
        await world.fake.deny(world.fake.home.channels[0], "read_message_history")
        world.fake.fault(*POST, reset="after")
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "shown empty"])
async def test_nobody_knows_and_nobody_can_look_then_the_page_is_what_there_is(
    world: World, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    world.fake.silent_history = silent
    world.fake.nonce_window_s = 0.0
    monkeypatch.setattr(delivery, "TRIES_S", (0.4,))
    monkeypatch.setattr(delivery, "NONCE_S", 0.0)
    async with world.bot(COMMANDS):
        await asked(world)
        await world.fake.deny(world.fake.home.channels[0], "read_message_history")
        world.fake.fault(*POST, reset="after")
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await delivered(jobs, world, "page only")
        assert len(answers(world)) == 1


async def test_while_discord_is_away_the_answer_waits(world: World, jobs: FakeJobs) -> None:
    async with world.bot(COMMANDS):
        await asked(world)
    async with world.bot(COMMANDS) as bot:
        outage = world.fake.fault("*", "/channels/*", status=503, times=1000)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await world.fake.wait_for(lambda: outage.hits >= 2)
        world.fake.faults.clear()
        await once(world, jobs, "posted")
        assert not bot.delivering.done()


async def test_an_answer_is_delivered_where_the_queue_cannot_be_used_any_more(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot(COMMANDS) as bot:
        _, reply = await asked(world)
        bot.delivering.cancel()
        await asyncio.gather(bot.delivering, return_exceptions=True)
        await jobs.end(jobs.newest.row.id, result=RESULT)
    world.jobs = None
    async with world.bot(COMMANDS):
        await answered(world)
        await reply.finished(lambda r: "finished, see below" in r.text)
