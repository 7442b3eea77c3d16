"""Workers are strangers: what one may write is confined to the jobs that it holds."""

from __future__ import annotations

from typing import Any

import pytest

from bot.jobs import finish as finishing
from compute.jobs.job import MAX_JSON_BYTES
from tests.bot.jobs.parts import Bot, until, until_holds
from tests.bot.jobs.puppet import Given, Puppet, puppet
from tests.fakes.broker import Broker

pytestmark = pytest.mark.slow


async def until_disbelieved(bot: Bot, worker: str) -> None:
    """Wait until something more of that worker was not believed."""
    counted = bot.jobs.counters()["disbelieved"]
    await until(lambda: counted[worker] > 0)
    del counted[worker]


async def recorded(bot: Bot, result_id: str) -> dict[str, Any] | None:
    row = await bot.results.get(result_id)
    assert row is not None
    return row.result


async def finish(bot: Bot, worker: Puppet, given: Given, result_id: str) -> None:
    """The honest end is what is recorded."""
    await worker.done(given)
    await bot.until(result_id, "done")
    assert await recorded(bot, result_id) == {"counted": given.job.request["number"]}


async def test_a_worker_that_was_never_given_a_job_cannot_end_it(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice, puppet(broker, "mallory") as mallory:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        forged = {"ticket": "guessed", "result": {"counted": 666}}
        for attempt in (1, 2, 3):
            for phase in ("done", "failed", "cancelled", "returned", "running"):
                await mallory.say_of(given.job, attempt, phase, **forged)
                await until_disbelieved(bot, "mallory")
        progress = await bot.progress(result_id)
        assert (progress.state, progress.worker, progress.attempt) == ("running", "alice", 1)
        await finish(bot, alice, given, result_id)


async def test_a_worker_cannot_write_under_another_name_or_key(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice, puppet(broker, "mallory") as mallory:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        mallory.name = "alice"  # in the words, and in the subject, which the broker refuses
        with pytest.raises(Exception, match="timeout"):
            await mallory.js.publish(f"$KV.state.alice.{given.job.id}", b"x", timeout=0.3)
        mallory.name = "mallory"
        await mallory.say_of(given.job, 1, "done", worker="alice", result={"counted": 666})
        await until_disbelieved(bot, "mallory")
        await finish(bot, alice, given, result_id)


async def test_who_had_the_job_before_cannot_end_it_for_who_has_it_now(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice, puppet(broker, "bob") as bob:
        result_id = await bot.ask()
        before = await alice.take()
        await alice.say(before, "running")
        await bot.until(result_id, "running")
        await before.message.nak()
        now = await bob.take()
        assert now.attempt == 2
        await bob.say(now, "running")
        await until(lambda: bot.jobs._desk.out[now.job.id].worker == "bob")
        await alice.say(before, "done", result={"counted": 666})
        await alice.say_of(before.job, 2, "done", result={"counted": 667})
        await alice.say_of(before.job, 2, "failed", cause="error")
        await finish(bot, bob, now, result_id)
    assert await bot.rows("SELECT attempt, worker FROM runs") == [(2, "bob")]


async def test_after_the_end_nothing_counts_and_nothing_stays(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await finish(bot, alice, given, result_id)
        for attempt, phase in ((1, "done"), (2, "done"), (2, "failed"), (3, "running")):
            await alice.say_of(given.job, attempt, phase, result={"counted": 666})
        await until(
            lambda: given.job.id in alice.told_to_stop
        )  # it says that it runs: it is not to
        assert await recorded(bot, result_id) == {"counted": 1}
        assert await bot.answers() == [result_id]
        await until_holds(broker, "KV_state")


async def test_malformed_and_huge_states_change_nothing(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        for raw in (b"\xff", b"[]", b"{" * 50_000, b"x" * (2 * MAX_JSON_BYTES)):
            await alice.write(given.job.id, raw)
            await until_disbelieved(bot, "alice")
        with pytest.raises(Exception, match="size"):
            await alice.write(given.job.id, b"x" * (3 * MAX_JSON_BYTES))  # the broker's own limit
        await finish(bot, alice, given, result_id)


async def test_states_of_jobs_that_never_were_are_cleared_away(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        for n in range(30):
            await alice.write(f"{n:022}", b'{"phase":"done"}')
        await alice.write("short", b"{}")
        await until_holds(broker, "KV_state", most=1)  # what is no job's is left alone


@pytest.mark.parametrize(
    "result", [None, {}, {"counted": "many"}, {"counted": 1, "more": "x"}, {"counted": None}]
)
async def test_a_result_that_is_none_of_this_tool_is_a_clear_failure(
    bot: Bot, broker: Broker, result: dict[str, Any] | None
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.done(given, result=result)
        progress = await bot.until(result_id, "failed")
    assert "not one that this tool gives" in progress.words
    row = await bot.results.get(result_id)
    assert row is not None and row.result is None
    assert row.refusal is not None and row.refusal.our_fault


async def test_an_end_that_breaks_what_reads_it_is_an_end_all_the_same(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(finishing, "_checked_result", breaks)
    async with puppet(broker, "eve") as eve:
        result_id = await bot.ask()
        await eve.done(await eve.take())
        await bot.until(result_id, "failed")
    assert await bot.answers() == [result_id]


async def test_a_partial_result_that_is_none_is_not_shown(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running", partial={"counted": 2}, fraction=0.2)
        await until(lambda: bot.jobs._desk.out[given.job.id].fraction == 0.2)
        assert (await bot.progress(result_id)).partial == {"counted": 2}
        await alice.say(given, "running", partial={"script": "<b>"}, fraction=0.3)
        await until(lambda: bot.jobs._desk.out[given.job.id].fraction == 0.3)
        assert (await bot.progress(result_id)).partial is None
        await finish(bot, alice, given, result_id)


async def test_cards_that_claim_to_be_another_or_are_malformed_are_not_shown(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        await until(lambda: len(bot.jobs.workers()) == 1)
        await alice.end()
        for wrong in ({"name": "bob"}, {"lanes": ("any", "jobs.>")}, {"lanes": ("x" * 61,)}):
            await alice.show(**wrong, version="forged")
        await alice.js.publish("$KV.workers.alice", b"{")
        await alice.js.publish("$KV.workers.alice", b"{" + b" " * 40_000 + b"}")
        await alice.show(load=0.5)
        await until(lambda: bot.jobs.workers()[0].load == 0.5)
    assert [(line.name, line.version) for line in bot.jobs.workers()] == [("alice", "test")]


@pytest.mark.slow
async def test_a_refusal_of_a_worker_is_cut_to_what_a_tool_of_ours_says(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        fixes = [{"label": "Press", "changes": {}}] * 40
        refusal = {"message": "m" * 9000, "nearest": ["n" * 500] * 90, "fixes": fixes}
        await alice.say(given, "refused", refusal=refusal)
        await given.message.ack_sync()
        await bot.until(result_id, "refused")
    row = await bot.results.get(result_id)
    assert row is not None and row.refusal is not None
    assert len(row.refusal.message) == 1000
    assert len(row.refusal.nearest) == 10 and len(row.refusal.fixes) == 5
