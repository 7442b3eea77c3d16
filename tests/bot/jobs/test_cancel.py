"""Cancelling works at once while a run waits, and is told until it is done while it runs."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.jobs import finish
from bot.jobs.finish import CANCELLED
from bot.results import Deleter
from tests.bot.jobs.parts import SHORT, WAIT_S, Bot, messages, until, until_holds
from tests.bot.jobs.puppet import puppet
from tests.fakes.broker import Broker


async def test_a_run_that_waits_is_cancelled_at_once_and_delivered_to_nobody(bot: Bot) -> None:
    result_id = await bot.ask()
    assert await bot.cancel(result_id) == "cancelled"
    progress = await bot.progress(result_id)
    assert progress.state == "cancelled" and progress.ended
    row = await bot.results.get(result_id)
    assert row is not None and row.refusal == CANCELLED
    assert await bot.answers() == []


@pytest.mark.slow
async def test_an_outage_is_not_told_again_and_again_for_what_is_left_on_the_broker(
    bot: Bot, broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "TIDY_S", 0.01)
    result_id = await bot.ask()
    await asyncio.to_thread(broker.kill)
    await until(lambda: not bot.jobs.counters()["queue_up"])
    assert await bot.cancel(result_id) == "cancelled"
    with caplog.at_level(logging.INFO):
        await asyncio.sleep(1.0)  # the tidying is at its next rounds
    assert sum("not cleaned up" in record.message for record in caplog.records) <= 1
    await asyncio.to_thread(broker.start)
    await until(lambda: not bot.jobs._finisher._litter)


async def test_a_run_on_the_broker_that_nobody_has_claimed_is_cancelled_at_once(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        await until(lambda: [run.confirmed for run in bot.jobs._desk.out.values()] == [True])
        assert await messages(broker) == 1
        assert await bot.cancel(result_id) == "cancelled"
        assert (await bot.progress(result_id)).state == "cancelled"
        await until_holds(broker, "JOBS")
        assert await alice.pull() is None


async def test_a_worker_that_took_it_meanwhile_is_told_to_stop(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        assert await bot.cancel(result_id) == "cancelled"
        await alice.say(given, "running")
        await until(lambda: alice.told_to_stop == [given.job.id])
        await alice.say(given, "cancelled")
        assert (await bot.progress(result_id)).state == "cancelled"


@pytest.mark.slow
async def test_it_is_told_again_for_as_long_as_its_card_names_the_run(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        assert await bot.cancel(result_id) == "cancelled"
        await alice.end()
        async with asyncio.timeout(WAIT_S):
            while len(alice.told_to_stop) < 2:  # it was deaf to the first
                await alice.show(job=given.job.id)
                await asyncio.sleep(SHORT.card_s)
        await alice.show()
        await until(lambda: not bot.jobs._desk.presence.job("alice"))
        await asyncio.sleep(SHORT.renew_s)  # what was on the way
        said = len(alice.told_to_stop)
        await asyncio.sleep(2 * SHORT.renew_s)
        assert alice.told_to_stop == [given.job.id] * said


async def test_a_running_one_is_told_until_its_worker_says_so(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        assert await bot.cancel(result_id) == "cancelling"
        assert await bot.cancel(result_id) == "cancelling"
        progress = await bot.progress(result_id)
        assert progress.state == "running" and "being cancelled" in progress.why
        await until(lambda: len(alice.told_to_stop) >= 4)  # it was deaf to the first
        await alice.say(given, "cancelled", run_s=0.1)
        await given.message.ack_sync()
        await bot.until(result_id, "cancelled")
        said = len(alice.told_to_stop)
    assert await bot.cancel(result_id) == "ended"
    assert len(alice.told_to_stop) == said
    assert await bot.rows("SELECT state, cause FROM runs") == [("cancelled", "")]


async def test_a_result_that_comes_before_the_cancelling_is_kept(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        assert await bot.cancel(result_id) == "cancelling"
        await alice.done(given)
        await bot.until(result_id, "done")
    assert await bot.answers() == [result_id]


async def test_with_its_worker_gone_a_running_one_is_cancelled_without_it(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        await alice.leave()
        await bot.cancel(result_id)
        await bot.until(result_id, "cancelled")
        await until_holds(broker, "JOBS")


@pytest.mark.slow
async def test_a_worker_that_does_not_listen_does_not_keep_its_asker_waiting(
    impatient: Bot, broker: Broker
) -> None:
    bot = impatient
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        assert await bot.cancel(result_id) == "cancelling"
        await bot.until(result_id, "cancelled")  # when patience is over
        assert alice.told_to_stop
        await alice.done(given)
        await until_holds(broker, "KV_state")
        assert await bot.rows("SELECT state FROM runs") == [("cancelled",)]


async def test_cancelled_without_being_asked_is_a_failure(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "cancelled")
        await given.message.ack_sync()
        progress = await bot.until(result_id, "failed")
    assert "without being asked" in progress.words


async def test_only_who_asked_or_a_moderator_may_cancel(bot: Bot) -> None:
    result_id = await bot.ask(user="7")
    page = await bot.ask(user="", door="web", delete_key="secret")
    assert await bot.cancel(result_id, user="8") == "not yours"
    assert await bot.cancel(result_id, user="") == "not yours"
    assert await bot.jobs.cancel(page, Deleter(delete_key="guess")) == "not yours"
    assert await bot.cancel("x" * 22) == "unknown"
    assert await bot.cancel("'; DROP TABLE runs; --") == "unknown"
    assert await bot.jobs.cancel(page, Deleter(delete_key="secret")) == "cancelled"
    assert await bot.jobs.cancel(result_id, Deleter(moderator=True)) == "cancelled"


async def test_who_shares_a_run_leaves_it_to_the_others(bot: Bot, broker: Broker) -> None:
    bot.jobs._share_s = 600.0
    async with puppet(broker, "alice") as alice:
        first = await bot.ask("7", number=5)
        second = await bot.ask("8", number=5)
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(second, "running")
        assert await bot.cancel(first, "7") == "cancelled"
        assert (await bot.progress(first)).state == "cancelled"
        assert (await bot.progress(second)).state == "running"
        assert not alice.told_to_stop
        assert await bot.cancel(second, "8") == "cancelling"
        await until(lambda: bool(alice.told_to_stop))
        await alice.say(given, "cancelled")
        await bot.until(second, "cancelled")


async def test_deleting_a_result_gives_up_its_run(bot: Bot, broker: Broker) -> None:
    result_id = await bot.ask()
    assert await bot.results.delete(result_id, by=Deleter(user_id="7"))
    await bot.jobs.forget(result_id)
    assert await bot.rows("SELECT state FROM runs") == [("cancelled",)]
    await bot.jobs.forget(result_id)
    await bot.jobs.forget("y" * 22)


async def test_a_result_that_was_deleted_without_a_word_is_found(bot: Bot) -> None:
    result_id = await bot.ask()
    assert await bot.results.delete(result_id, by=Deleter(user_id="7"))
    await bot.jobs.purge(0.0)
    assert await bot.rows("SELECT state FROM runs") == [("cancelled",)]
