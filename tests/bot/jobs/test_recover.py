"""Bot and broker may go and come back at any moment: nothing is lost, nothing recorded twice."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.jobs.run import Run
from bot.store import StoreError
from compute.jobs.job import Job
from tests.bot.jobs.parts import SHORT, Bot, messages, running_bot, until, until_holds
from tests.bot.jobs.puppet import puppet
from tests.fakes.broker import Broker

pytestmark = pytest.mark.slow


async def confirmed(bot: Bot) -> None:
    """Wait until the broker has stored all that was published."""
    await until(lambda: [run.confirmed for run in bot.jobs._desk.out.values()] == [True])


def reached(run: Run, attempt: int) -> bool:
    return run.attempt == attempt


async def wipe(broker: Broker) -> None:
    """The broker comes back at the same address without anything it knew."""
    await asyncio.to_thread(broker.kill)
    for path in broker.folder.rglob("jetstream"):
        await asyncio.to_thread(shutil.rmtree, path)
    await asyncio.to_thread(broker.start)


async def test_without_a_broker_runs_are_taken_and_wait_with_a_reason(
    broker: Broker, tmp_path: Path
) -> None:
    access = broker.bot
    await asyncio.to_thread(broker.kill)
    bot = Bot(tmp_path)
    await bot.start(access)
    result_id = await bot.ask()
    progress = await bot.progress(result_id)
    assert progress.state == "queued" and "cannot be reached" in progress.why
    other = await bot.ask()
    assert await bot.cancel(other) == "cancelled"
    await asyncio.to_thread(broker.start)
    async with puppet(broker, "alice") as alice:
        given = await alice.take()
        await alice.done(given)
        await bot.until(result_id, "done")
    await bot.stop()


async def test_what_ended_while_the_bot_was_away_is_recorded_by_the_next(
    broker: Broker, tmp_path: Path
) -> None:
    async with puppet(broker, "alice") as alice:
        async with running_bot(broker, tmp_path) as bot:
            result_id = await bot.ask()
            given = await alice.take()
            await alice.say(given, "running")
            await bot.until(result_id, "running")
        await alice.done(given)
        async with running_bot(broker, tmp_path) as bot:
            await bot.until(result_id, "done")
            assert await bot.answers() == [result_id]
        async with running_bot(broker, tmp_path) as bot:
            assert (await bot.progress(result_id)).state == "done"
            assert await bot.answers() == [result_id]


async def test_a_run_goes_on_under_the_next_bot_where_it_was(
    broker: Broker, tmp_path: Path
) -> None:
    async with puppet(broker, "alice") as alice:
        async with running_bot(broker, tmp_path) as bot:
            result_id = await bot.ask()
            given = await alice.take()
            await alice.say(given, "running", fraction=0.4, words="on")
            await bot.until(result_id, "running")
        async with running_bot(broker, tmp_path) as bot:
            await until(lambda: bot.jobs._desk.out[given.job.id].fraction == 0.4)
            progress = await bot.progress(result_id)
            assert (progress.worker, progress.attempt, progress.words) == ("alice", 1, "on")
            assert await bot.cancel(result_id) == "cancelling"
        async with running_bot(broker, tmp_path) as bot:
            before = len(alice.told_to_stop)
            await until(lambda: len(alice.told_to_stop) > before)
            await alice.say(given, "cancelled")
            await bot.until(result_id, "cancelled")


@pytest.mark.slow
async def test_a_bot_that_ends_between_commit_and_publication_leaves_it_to_the_next(
    broker: Broker, tmp_path: Path
) -> None:
    async with puppet(broker, "alice") as alice:
        async with running_bot(broker, tmp_path) as bot:
            result_id = await bot.ask()
            await confirmed(bot)
            async with broker.client() as client:
                await client.jetstream().purge_stream("JOBS")  # as if it had never arrived
            await bot.jobs.close()
        async with running_bot(broker, tmp_path) as bot:
            # It may have arrived: the same publication, which the broker stores only once.
            assert (await bot.rows("SELECT publication FROM runs")) == [(1,)]
            given = await alice.take()
            await alice.done(given)
            await bot.until(result_id, "done")


async def test_a_publication_that_fails_by_a_fault_of_ours_is_repeated(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, failed = bot.jobs._desk.queue, asyncio.Event()
    publish = queue.publish

    async def fail_once(job: Job, publication: int) -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("a fault of ours")
        await publish(job, publication)

    monkeypatch.setattr(queue, "publish", fail_once)
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        assert failed.is_set()
        await alice.done(given)
        await bot.until(result_id, "done")


def fails_once(monkeypatch: pytest.MonkeyPatch, bot: Bot) -> None:
    """The next change of runs is not written: the disk is full for a moment."""
    dispatcher = bot.jobs._dispatcher
    change, failed = dispatcher.change, asyncio.Event()

    async def fail(*what: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise StoreError("the disk is full")
        return await change(*what)

    monkeypatch.setattr(dispatcher, "change", fail)


@pytest.mark.slow
async def test_a_lost_run_is_resubmitted_although_the_disk_was_full_for_a_moment(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        await confirmed(bot)
        async with broker.client() as client:
            await client.jetstream().purge_stream("JOBS")
        fails_once(monkeypatch, bot)
        given = await alice.take()
        await alice.done(given)
        await bot.until(result_id, "done")


async def test_a_cancelled_run_ends_although_the_disk_was_full_for_a_moment(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        await alice.say(await alice.take(), "running")
        await bot.until(result_id, "running")
        assert await bot.cancel(result_id) == "cancelling"
        fails_once(monkeypatch, bot)
        await alice.leave()
        await bot.until(result_id, "cancelled")


@pytest.mark.slow
async def test_jobs_that_the_broker_forgot_are_published_again(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice, puppet(broker, "bob") as bob:
        asked = [await bot.ask() for _ in range(3)]
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(asked[0], "running")
        await until(lambda: len(bot.jobs._desk.out) >= 2)
        await wipe(broker)
        seen: dict[str, int] = {}
        async with asyncio.timeout(30):
            while len(seen) < 3:
                job = await bob.take()
                seen[job.job.id] = job.attempt
                await bob.done(job)
        for result_id in asked:
            await bot.until(result_id, "done")
        assert seen.pop(given.job.id) == 2  # what alice had begun is lost with her lease
        assert set(seen.values()) == {1}
        assert sorted(await bot.answers()) == sorted(asked)


@pytest.mark.slow
async def test_a_forgotten_job_is_not_started_again_while_its_worker_may_still_run_it(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice, puppet(broker, "bob") as bob:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        async with broker.client() as client:
            await client.jetstream().purge_stream("JOBS")
        began = asyncio.get_running_loop().time()
        again = await bob.take()
        assert asyncio.get_running_loop().time() - began >= SHORT.lease_s * 0.9
        assert again.attempt == 2
        await alice.say(given, "done", result={"counted": 666})
        await bob.done(again)
        await bot.until(result_id, "done")
        assert await bot.rows("SELECT worker FROM runs") == [("bob",)]


async def test_a_last_word_that_did_not_come_is_read_before_anything_is_repeated(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        for watch in bot.jobs._desk.queue._watches:
            await watch.unsubscribe()  # the bot hears nothing more
        await alice.done(given)
        await bot.until(result_id, "done")
        assert await bot.rows("SELECT attempt, publication FROM runs") == [(1, 1)]


async def test_after_three_lost_attempts_the_person_gets_a_clear_sentence(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        for attempt in (1, 2, 3):
            given = await alice.take()
            assert given.attempt == attempt
            await alice.say(given, "running")
            await given.message.nak()
        given = await alice.take()
        assert given.attempt == 4
        await alice.say(given, "failed", cause="lost", words="lost it")
        await given.message.term()
        progress = await bot.until(result_id, "failed")
    assert "3 times" in progress.words
    row = await bot.results.get(result_id)
    assert row is not None and row.refusal is not None and "3 times" in row.refusal.message
    assert await bot.answers() == [result_id]


@pytest.mark.slow
async def test_three_attempts_that_the_broker_forgot_are_enough_too(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        for attempt in (1, 2, 3):
            given = await alice.take()
            assert given.attempt == attempt
            await alice.say(given, "running")
            run = bot.jobs._desk.out[given.job.id]
            await until(partial(reached, run, attempt))
            async with broker.client() as client:
                await client.jetstream().purge_stream("JOBS")
        await bot.until(result_id, "failed")


@pytest.mark.slow
async def test_leftover_messages_of_runs_that_are_over_go(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "done", result={"counted": 1})  # and dies before it acknowledges
        await bot.until(result_id, "done")
        await until_holds(broker, "JOBS")
        await asyncio.sleep(SHORT.lease_s)
        assert await alice.pull() is None


@pytest.mark.slow
async def test_a_message_that_nobody_is_given_is_replaced(impatient: Bot, broker: Broker) -> None:
    bot = impatient
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        await confirmed(bot)
        async with broker.client() as client:
            # The consumer is past it, as in nats-server #6905.
            js = client.jetstream()
            await js.delete_consumer("JOBS", "lane-any")
            bot.jobs._desk.queue._made.clear()
        async with asyncio.timeout(30):
            while (given := await alice.pull()) is None:
                await alice.show()
                await asyncio.sleep(0.2)
        assert (await bot.rows("SELECT publication FROM runs"))[0][0] >= 2
        await alice.done(given)
        await bot.until(result_id, "done")
        assert await messages(broker) == 0


@pytest.mark.slow
async def test_what_an_outdated_worker_gave_back_counts_no_attempt(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        for _ in range(2):
            given = await alice.take()
            assert given.attempt == 1
            await alice.say(given, "returned", cause="skew")
            await given.message.term()
        given = await alice.take()
        assert given.attempt == 1
        await alice.done(given)
        await bot.until(result_id, "done")
        assert await bot.rows("SELECT attempt, returned FROM runs") == [(1, 2)]
