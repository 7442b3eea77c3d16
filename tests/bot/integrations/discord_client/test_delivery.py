"""A finished job is answered once, whatever happens to Discord, the channel or the bot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot import outbox
from bot.integrations.discord_client import delivery, following
from bot.results import Results
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels
from tests.bot.integrations.discord_client.test_jobs import (
    COMMANDS,
    RESULT,
    answered,
    answers,
    asked,
    delivered,
)
from tests.fakes.discord import bits, message_text
from tests.fakes.jobs import FakeJobs


@pytest.fixture
def jobs(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeJobs:
    monkeypatch.setattr(following, "EVERY_S", 0.05)
    monkeypatch.setattr(delivery, "TRIES_S", (0.4, 0.4))
    monkeypatch.setattr(outbox, "FIRST_PAUSE_S", 0.2)
    world.jobs = FakeJobs()
    return world.jobs


async def once(world: World, jobs: FakeJobs, where: str, timeout_s: float = 15.0) -> None:
    """It arrives there, and no second one comes while a doubled one would."""
    await delivered(jobs, world, where, timeout_s)
    await asyncio.sleep(0.3)
    assert len(answers(world)) == (0 if where == "page only" else 1)


async def test_a_restart_in_the_middle_of_a_run_changes_nothing_for_its_asker(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot(COMMANDS):
        alice, reply = await asked(world)
        run_id = jobs.newest.row.id
    jobs.report(run_id, state="running", place=0, words="lap 2")
    async with world.bot(COMMANDS):
        await reply.finished(lambda r: "lap 2" in r.text)
        jobs.report(run_id, words="lap 3")
        await reply.finished(lambda r: "lap 3" in r.text)
        await jobs.end(run_id, result=RESULT)
        await once(world, jobs, "posted")
        assert (await answered(world)).pings == {alice.id}
        await reply.finished(lambda r: "finished, see below" in r.text)


async def test_cancel_works_after_a_restart(world: World, jobs: FakeJobs) -> None:
    async with world.bot(COMMANDS):
        alice, reply = await asked(world)
    async with world.bot(COMMANDS):
        assert "cancelled" in (await alice.click(reply.message, "Cancel")).text


async def test_what_ended_while_the_bot_was_away_is_answered_when_it_is_back(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot(COMMANDS) as bot:
        _, reply = await asked(world)
        bot.delivering.cancel()  # the end is recorded, and then the process dies
        await asyncio.gather(bot.delivering, return_exceptions=True)
        await jobs.end(jobs.newest.row.id, result=RESULT)
    assert answers(world) == []
    async with world.bot(COMMANDS):
        await once(world, jobs, "posted")
        await reply.finished(lambda r: "finished, see below" in r.text)


async def test_an_answer_that_is_posted_while_a_start_reads_what_was_open_stays_named(
    world: World, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The progress message is not changed again by what was read before it was finished."""
    async with world.bot(COMMANDS) as bot:
        _, reply = await asked(world)
        bot.delivering.cancel()
        await asyncio.gather(bot.delivering, return_exceptions=True)
    run_id = jobs.newest.row.id
    go_on = asyncio.Event()
    unfinished = Results.unfinished

    async def slow(self: Results, door: Any) -> Any:
        found = await unfinished(self, door)
        await go_on.wait()
        return found

    monkeypatch.setattr(Results, "unfinished", slow)
    async with world.bot(COMMANDS, wait=False) as bot:
        await world.fake.wait_for(lambda: bot.service.client is not None)
        await jobs.end(run_id, result=RESULT)
        await once(world, jobs, "posted")
        await reply.finished(lambda r: "finished, see below" in r.text)
        go_on.set()
        await asyncio.wait_for(bot.service.ready.wait(), 30)
        await asyncio.gather(*(f.task for f in bot.client.following._followed.values() if f.task))
    assert "finished, see below" in reply.text


async def test_a_dead_interaction_token_is_no_hindrance(world: World, jobs: FakeJobs) -> None:
    async with world.bot(COMMANDS):
        alice, reply = await asked(world)
        world.fake.kill_tokens()
        jobs.report(jobs.newest.row.id, state="running", words="lap 1")
        await reply.finished(lambda r: "lap 1" in r.text)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")
        assert (await answered(world)).pings == {alice.id}
        await reply.finished(lambda r: "finished, see below" in r.text)


async def test_a_dismissed_progress_message_does_not_stop_the_answer(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot(COMMANDS):
        alice, reply = await asked(world)
        await world.fake.messages.delete(world.fake.messages.find(reply.message["id"]))
        jobs.report(jobs.newest.row.id, state="running", words="lap 1")
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")
        assert (await answered(world)).pings == {alice.id}


async def test_a_channel_that_is_gone_means_a_direct_message(world: World, jobs: FakeJobs) -> None:
    async with world.bot(COMMANDS) as bot:
        alice, _ = await asked(world)
        run_id = jobs.newest.row.id
        await world.fake.delete_channel(world.fake.home.channels[0])
        await jobs.end(run_id, result=RESULT)
        await once(world, jobs, "by direct message")
        new = await answered(world)
        assert new.channel is world.fake.dm(alice) and new.pings == {alice.id}
        assert "A dry track" in (await alice.click(new.json, "Assumptions")).text
        kept = await bot.parts.results.message_of(run_id)
        assert kept is not None and kept.message_id == new.id


async def test_with_direct_messages_closed_too_it_stays_on_its_page(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot(COMMANDS) as bot:
        alice, reply = await asked(world)
        alice.closed = True
        await world.fake.deny(world.fake.home.channels[0], "send_messages")
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "page only")
        await reply.finished(lambda r: "its page has it" in r.text)
        assert labels(reply.message) == ["Page"]
        told = await bot.outbox.state_of(f"answer:{jobs.newest.row.id}")
        assert told is not None and told.receipt == {"delivery": "page only"}


async def test_where_it_may_not_write_the_progress_message_says_where_the_answer_went(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot(COMMANDS):
        _, reply = await asked(world)
        await world.fake.deny(world.fake.home.channels[0], "send_messages")
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "by direct message")
        await reply.finished(lambda r: "in your direct messages" in r.text)


async def test_where_it_may_attach_nothing_the_words_come_alone(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot(COMMANDS):
        await asked(world)
        await world.fake.deny(world.fake.home.channels[0], "attach_files")
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")
        assert (await answered(world)).json["attachments"] == []


async def test_a_deleted_answer_is_not_delivered(world: World, jobs: FakeJobs) -> None:
    async with world.bot(COMMANDS) as bot:
        await asked(world)
        run_id = jobs.newest.row.id
        await bot.parts.store.write(lambda db: db.conn.execute("DELETE FROM results"))
        await jobs.end(run_id, result=RESULT)
        for _ in range(100):
            told = await bot.outbox.state_of(f"answer:{run_id}")
            if told is not None and told.state == "never":
                break
            await asyncio.sleep(0.05)
        assert told is not None and "deleted" in told.reason
    assert answers(world) == []


async def test_an_answer_in_a_thread_is_posted_there(world: World, jobs: FakeJobs) -> None:
    thread = world.fake.home.channel("a-thread")
    async with world.bot(COMMANDS):
        await asked(world, channel=thread)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")
        assert (await answered(world)).channel is thread


async def test_no_mention_but_the_askers_is_ever_made(world: World, jobs: FakeJobs) -> None:
    assert world.fake.home.role("bot").permissions & bits("mention_everyone")
    async with world.bot(COMMANDS):
        alice = world.fake.user("alice")
        await alice.slash("lap", {"laps": 3, "car": "@everyone <@1>"})
        await world.fake.wait_for(lambda: jobs.runs)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "posted")
        new = await answered(world)
        assert new.pings == {alice.id} and "car" in message_text(new.json)


async def test_a_private_run_is_followed_and_answered_in_private(
    world: World, jobs: FakeJobs
) -> None:
    async with world.bot({"lap": replace(COMMANDS["lap"], private=True)}):
        alice, reply = await asked(world)
        assert reply.ephemeral
        jobs.report(jobs.newest.row.id, state="running", words="lap 1")
        await reply.finished(lambda r: "lap 1" in r.text)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        await once(world, jobs, "by direct message")
        assert (await answered(world)).channel is world.fake.dm(alice)
        await reply.finished(lambda r: "finished" in r.text)
    assert world.fake.channel_messages(world.fake.home.channels[0]) == []
