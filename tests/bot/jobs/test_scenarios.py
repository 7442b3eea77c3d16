"""Real workers, broker and bot; each of them dies, freezes or is cut off in the middle of a run."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from compute.worker.watch import runs
from tests.bot.jobs.life import bot_process
from tests.bot.jobs.parts import Bot, running_bot, until, until_holds
from tests.compute.worker.processes import gone, pids_in, written
from tests.compute.worker.proxy import proxied
from tests.fakes.broker import Broker
from tests.fakes.workers import FAST, PATIENT, running_worker, start_worker

pytestmark = pytest.mark.slow

HELD = replace(FAST, lease_s=6.0, leash_s=4.0)  # a lease to be kept, on a machine that stands still
LONG = 60.0  # a run that only ends by being ended


async def recorded_once(bot: Bot, broker: Broker, result_id: str, attempts: int) -> None:
    """One run, one answer, one delivery, and nothing left on the broker.

    After a loss the attempts may be more: a machine that stands still for a lease is a loss too.
    """
    await bot.until(result_id, "done")
    [(state, attempt)] = await bot.rows("SELECT state, attempt FROM runs")
    assert state == "done" and (attempt == attempts or attempt > attempts > 1)
    assert await bot.answers() == [result_id]
    await until_holds(broker, "JOBS")
    await until_holds(broker, "KV_state")


async def test_a_killed_worker_is_followed_by_another(broker: Broker, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with running_bot(broker, tmp_path, FAST) as bot:
        box = await start_worker(broker.worker("box"), "box")
        result_id = await bot.run("relay", size=2, path=str(pids))
        await written(pids)
        await bot.until(result_id, "running")
        async with running_worker(broker.worker("other"), "other"):
            box.send(signal.SIGKILL)
            first, _ = await written(pids, 2)
            assert not runs(first)
            await recorded_once(bot, broker, result_id, 2)
        await box.end()


async def test_a_killed_bot_is_followed_by_one_that_records_the_end_once(
    broker: Broker, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    async with running_worker(broker.worker("box"), "box", timing=PATIENT) as box:
        async with bot_process(tmp_path, broker.bot, timing=PATIENT) as first:
            first.ask("sleeper", seconds=1.5, path=str(pids))
            await written(pids)
        [result_id] = first.kept
        await box.heard(": done")
        async with running_bot(broker, tmp_path, PATIENT) as bot:
            await recorded_once(bot, broker, result_id, 1)
        async with running_bot(broker, tmp_path, PATIENT) as bot:
            await recorded_once(bot, broker, result_id, 1)
    assert len(pids_in(pids)) == 1


async def test_a_broker_that_is_killed_and_comes_back_changes_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    async with (
        running_bot(broker, tmp_path, PATIENT) as bot,
        running_worker(broker.worker("box"), "box", timing=PATIENT),
    ):
        result_id = await bot.run("sleeper", seconds=3.0, path=str(pids))
        await written(pids)
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(broker.start)
        await recorded_once(bot, broker, result_id, 1)
    assert len(pids_in(pids)) == 1


async def test_a_worker_cut_off_for_longer_than_its_lease_is_dead_before_the_next_starts(
    broker: Broker, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    async with (
        running_bot(broker, tmp_path, FAST) as bot,
        proxied(broker.worker("box")) as (proxy, access),
        running_worker(access, "box"),
    ):
        result_id = await bot.run("relay", size=2, path=str(pids))
        [first] = await written(pids)
        async with running_worker(broker.worker("other"), "other"):
            proxy.cut()
            await gone([first])
            await written(pids, 2)
            proxy.mend()
            await recorded_once(bot, broker, result_id, 2)


async def test_a_run_whose_message_the_broker_forgot_is_not_started_beside_itself(
    broker: Broker, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    async with (
        running_bot(broker, tmp_path, HELD) as bot,
        running_worker(broker.worker("box"), "box", timing=HELD),
    ):
        result_id = await bot.run("sleeper", seconds=1.5 * HELD.lease_s, path=str(pids))
        await written(pids)
        await bot.until(result_id, "running")
        other = running_worker(broker.worker("other"), "other", timing=HELD)
        async with other, broker.client() as client:
            await client.jetstream().purge_stream("JOBS")
            await recorded_once(bot, broker, result_id, 1)
    assert len(pids_in(pids)) == 1


async def test_a_worker_that_dies_with_a_forgotten_job_is_followed_by_another(
    broker: Broker, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    async with running_bot(broker, tmp_path, FAST) as bot:
        box = await start_worker(broker.worker("box"), "box")
        result_id = await bot.run("relay", size=2, path=str(pids))
        [first] = await written(pids)
        await bot.until(result_id, "running")
        async with running_worker(broker.worker("other"), "other"), broker.client() as client:
            await client.jetstream().purge_stream("JOBS")
            box.send(signal.SIGKILL)
            await written(pids, 2)
            assert not runs(first)
            await recorded_once(bot, broker, result_id, 2)
        await box.end()


async def test_a_frozen_worker_that_wakes_records_nothing(broker: Broker, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with (
        running_bot(broker, tmp_path, FAST) as bot,
        running_worker(broker.worker("box"), "box") as box,
    ):
        result_id = await bot.run("relay", size=2, path=str(pids))
        [first] = await written(pids)
        await bot.until(result_id, "running")
        box.send(signal.SIGSTOP)
        async with running_worker(broker.worker("other"), "other"):
            await written(pids, 2)
            assert not runs(first)
            box.send(signal.SIGCONT)
            await recorded_once(bot, broker, result_id, 2)
        # It is as good as new.
        again = await bot.run("null", size=1)
        await bot.until(again, "done")


async def test_a_running_job_is_cancelled_and_its_process_ends(
    broker: Broker, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    async with (
        running_bot(broker, tmp_path, FAST) as bot,
        running_worker(broker.worker("box"), "box"),
    ):
        result_id = await bot.run("sleeper", seconds=LONG, path=str(pids))
        [pid] = await written(pids)
        await bot.until(result_id, "running")
        assert await bot.cancel(result_id) == "cancelling"
        await bot.until(result_id, "cancelled")
        await gone([pid])


async def test_progress_partial_results_and_files_come_through(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        running_bot(broker, tmp_path, FAST) as bot,
        running_worker(broker.worker("box"), "box"),
    ):
        slow = await bot.run("sleeper", seconds=1.5)
        told = [progress async for progress in bot.jobs.watch(slow)]
        assert any(0 < p.fraction < 1 and p.partial and p.words == "sleeping" for p in told)
        assert told[-1].state == "done"
        files = await bot.run("maker", size=2_000_000)
        await bot.until(files, "done")
        kept = await bot.jobs.files(files)
        assert [(f.name, f.size) for f in kept] == [("note.txt", 4), ("table.csv", 2_000_000)]
        refused = await bot.run("refuser", size=2)
        await bot.until(refused, "refused")
        row = await bot.results.get(refused)
        assert row is not None and row.refusal is not None and row.refusal.field == "size"
        crashed = await bot.run("crasher")
        assert "crash" in (await bot.until(crashed, "failed")).words


async def test_many_runs_of_many_people_are_each_recorded_once_and_in_turn(
    broker: Broker, tmp_path: Path
) -> None:
    people, each = 10, 15
    async with running_bot(broker, tmp_path, FAST) as bot, AsyncExitStack() as stack:
        asks = [
            asyncio.create_task(bot.run("null", user=str(user), size=user * 1000 + n))
            for user in range(people)
            for n in range(each)
        ]
        wanted = set(await asyncio.gather(*asks))
        for name in ("a", "b", "c"):
            await stack.enter_async_context(running_worker(broker.worker(name), name))
        await until(lambda: not bot.jobs._desk.runs)
        assert await bot.rows("SELECT state, MAX(attempt), COUNT(*) FROM runs") == [
            ("done", 1, people * each)
        ]
        answers = await bot.answers()
        assert len(answers) == len(wanted) and set(answers) == wanted
        order = await bot.rows(
            "SELECT user_id FROM asks JOIN runs ON id = run_id ORDER BY published_at, turn"
        )
        firsts = [user for (user,) in order][: people + 4]
        assert set(firsts) == {str(user) for user in range(people)}
