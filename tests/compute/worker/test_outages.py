"""Whatever dies, freezes or is cut off: one end is recorded, and no job runs twice at once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.compute.worker.bot import BotHalf, bot_of
from tests.compute.worker.processes import gone, pids_in, until, written
from tests.compute.worker.proxy import proxied
from tests.fakes.broker import Broker
from tests.fakes.workers import FAST, PATIENT, running_worker, start_worker

pytestmark = pytest.mark.slow

LONG = 60.0  # a run that only ends by being ended
SHORT = 1.0


def job_file(tmp_path: Path) -> dict[str, object]:
    """A request that writes the pid of each of its runs."""
    return {"seconds": LONG, "path": str(tmp_path / "pids")}


async def test_a_killed_worker_leaves_nothing_and_another_starts_its_job(
    broker: Broker, bot: BotHalf, tmp_path: Path
) -> None:
    box = await start_worker(broker.worker("box"), "box")
    job = await bot.ask("relay", {"size": 2, "path": str(tmp_path / "pids")})
    await bot.started(job)
    (pid,) = await written(tmp_path / "pids")
    processes = [pid, *box.below()]
    async with running_worker(broker.worker("other"), "other") as other:
        box.send(signal.SIGKILL)
        await gone(processes)  # long before the lease is over
        assert len(pids_in(tmp_path / "pids")) == 1
        second = await bot.started(job, attempt=2)
        assert second.worker == "other"
        end = await bot.end(job)
        await other.heard(f"{job.id[:6]}: done")
    assert (end.worker, len(bot.ends(job))) == ("other", 1)
    assert end.attempt >= 2  # a machine that stands still for a leash starts it once more
    await bot.empty()
    await box.end()


async def test_a_third_loss_is_the_last(broker: Broker, bot: BotHalf) -> None:
    job = await bot.ask("sleeper", {"seconds": LONG})
    access = broker.worker("box")
    for attempt in (1, 2, 3):
        box = await start_worker(access, "box")
        state = await bot.started(job, attempt)
        assert state.attempt == attempt
        box.send(signal.SIGKILL)
        await box.end()
    async with running_worker(access, "box"):
        end = await bot.end(job)
    assert (end.phase, end.cause, end.attempt) == ("failed", "lost", 4)
    await bot.empty()


async def test_a_frozen_workers_child_dies_and_nothing_is_recorded_twice(
    broker: Broker, bot: BotHalf, tmp_path: Path
) -> None:
    async with running_worker(broker.worker("box"), "box") as box:
        job = await bot.ask("holder", {"seconds": LONG, "path": str(tmp_path / "pids")})
        await bot.started(job)
        (pid,) = await written(tmp_path / "pids")
        async with running_worker(broker.worker("other"), "other"):
            box.send(signal.SIGSTOP)
            await gone([pid])
            second = await bot.started(job, attempt=2)
            assert second.worker == "other"
            box.send(signal.SIGCONT)
            await box.heard(f"{job.id[:6]}: lost")
            assert (await bot.cancel(job, "other")).worker == "other"
        assert not [state for state in bot.ends(job) if state.worker == "box"]
        await bot.empty()
        assert (await bot.ended("null")).worker == "box"


async def test_a_worker_that_wakes_within_its_lease_hands_its_dead_run_back(
    broker: Broker, bot: BotHalf, tmp_path: Path
) -> None:
    async with running_worker(broker.worker("box"), "box") as box:
        job = await bot.ask("sleeper", job_file(tmp_path))
        (pid,) = await written(tmp_path / "pids")
        await bot.started(job)
        box.send(signal.SIGSTOP)
        await gone([pid])
        box.send(signal.SIGCONT)
        await bot.started(job, attempt=2)
        await bot.cancel(job, "box")
        assert not [state for state in bot.ends(job) if state.phase == "failed"]


async def test_a_broker_that_is_killed_and_comes_back_changes_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        bot_of(broker, "box", timing=PATIENT) as bot,
        running_worker(broker.worker("box"), "box", timing=PATIENT) as box,
    ):
        job = await bot.ask("sleeper", job_file(tmp_path) | {"seconds": 2.5})
        await bot.started(job)
        broker.kill()
        await box.heard("out of reach")
        await asyncio.to_thread(broker.start)
        end = await bot.end(job)
        await box.heard("connected again")
        assert (end.phase, end.attempt) == ("done", 1)
        await bot.empty()
        assert len(pids_in(tmp_path / "pids")) == 1
        assert (await bot.ended("null")).phase == "done"
        assert "Traceback" not in box.logged()
        assert len(bot.ends(job)) == 1


async def test_a_job_that_ends_while_the_broker_is_away_is_recorded_once(broker: Broker) -> None:
    async with (
        bot_of(broker, "box", timing=PATIENT) as bot,
        running_worker(broker.worker("box"), "box", timing=PATIENT) as box,
    ):
        job = await bot.ask("sleeper", {"seconds": SHORT})
        await bot.started(job)
        broker.kill()
        await asyncio.sleep(SHORT + 0.3)
        await asyncio.to_thread(broker.start)
        end = await bot.end(job)
        await box.heard(f"{job.id[:6]}: done")
        assert (end.phase, len(bot.ends(job))) == ("done", 1)


async def test_with_the_network_cut_the_old_run_is_dead_before_the_new_one_starts(
    broker: Broker, bot: BotHalf, tmp_path: Path
) -> None:
    async with (
        proxied(broker.worker("box")) as (proxy, access),
        running_worker(access, "box") as box,
        running_worker(broker.worker("other"), "other") as other,
    ):
        other.send(signal.SIGSTOP)
        job = await bot.ask("stubborn", job_file(tmp_path))
        (pid,) = await written(tmp_path / "pids")
        assert (await bot.started(job)).worker == "box"
        other.send(signal.SIGCONT)
        proxy.cut()
        await gone([pid])
        assert len(pids_in(tmp_path / "pids")) == 1  # dead, and no other has begun
        await box.heard(f"{job.id[:6]}: lost")
        second = await bot.started(job, attempt=2)
        assert second.worker == "other"
        proxy.mend()
        await bot.cancel(job, "other")
        await box.heard("connected again")
        await bot.empty()
        assert [state.worker for state in bot.ends(job)] == ["other"]


async def test_a_final_state_that_comes_too_late_is_not_written(
    broker: Broker, bot: BotHalf
) -> None:
    async with (
        proxied(broker.worker("box")) as (proxy, access),
        running_worker(access, "box") as box,
    ):
        job = await bot.ask("sleeper", {"seconds": 1.8})
        await bot.started(job)
        proxy.cut()
        await box.heard(f"{job.id[:6]}: lost")
        assert not bot.ends(job)
        proxy.mend()
        end = await bot.end(job)
        assert (end.phase, end.attempt > 1) == ("done", True)
        assert len(bot.ends(job)) == 1


async def test_a_worker_that_was_cut_off_while_it_waited_serves_again(
    broker: Broker, bot: BotHalf
) -> None:
    async with (
        proxied(broker.worker("box")) as (proxy, access),
        running_worker(access, "box") as box,
    ):
        assert (await bot.ended("null")).phase == "done"
        proxy.cut()
        await asyncio.sleep(2 * FAST.poll_s)  # a pull is under way
        proxy.mend()
        await box.heard("connected again")
        end = await bot.ended("sleeper", {"seconds": 0.1})
        assert (end.phase, end.attempt) == ("done", 1)
        assert "is it allowed" not in box.logged()


async def test_a_worker_waits_for_a_broker_and_a_bot_that_come_later(broker: Broker) -> None:
    access = broker.worker("box")
    broker.stop()
    box = await start_worker(access, "box")
    try:
        await until(lambda: bool(box.below()))
        await asyncio.to_thread(broker.start)
        await box.heard("waiting for jobs")
        async with bot_of(broker, "box") as bot:
            assert (await bot.ended("null")).phase == "done"
            assert await bot.card_when("box", lambda card: card is not None)
    finally:
        await box.stop()


async def test_streams_that_were_lost_and_made_again_are_served_again(
    broker: Broker, bot: BotHalf, tmp_path: Path
) -> None:
    async with running_worker(broker.worker("box"), "box") as box:
        assert (await bot.ended("null")).phase == "done"
        for stream in ("JOBS", "KV_state", "KV_workers", "OBJ_artefacts-box"):
            await bot.js.delete_stream(stream)
        await asyncio.sleep(1.5 * FAST.poll_s)
        async with bot_of(broker, "box") as again:
            job = await again.ask("maker", {"size": 100})
            assert (await again.end(job)).phase == "done"
            await again.card_when("box", lambda card: card is not None)
        assert "Traceback" not in box.logged()


async def test_a_job_that_cannot_be_recorded_does_not_keep_a_worker_from_ending(
    broker: Broker, bot: BotHalf
) -> None:
    async with running_worker(broker.worker("box"), "box") as box:
        job = await bot.ask("sleeper", {"seconds": SHORT})
        await bot.started(job)
        await bot.js.delete_stream("KV_state")
        await asyncio.sleep(SHORT)
        box.send(signal.SIGTERM)
        await box.heard(f"{job.id[:6]}: handed back")
        assert await box.end() == 0


async def test_a_job_whose_message_was_lost_still_ends(broker: Broker, bot: BotHalf) -> None:
    async with running_worker(broker.worker("box"), "box") as box:
        job = await bot.ask("sleeper", {"seconds": SHORT})
        await bot.started(job)
        await bot.js.purge_stream("JOBS")
        assert (await bot.end(job)).phase == "done"
        await box.heard(f"{job.id[:6]}: done")


async def test_two_workers_never_run_one_job(broker: Broker, bot: BotHalf) -> None:
    async with (
        running_worker(broker.worker("box"), "box") as box,
        running_worker(broker.worker("other"), "other") as other,
    ):
        jobs = [await bot.ask("sleeper", {"seconds": 0.05}) for _ in range(12)]
        ends = [await bot.end(job) for job in jobs]
        assert {end.worker for end in ends} == {"box", "other"}
        assert all(len(bot.ends(job)) == 1 for job in jobs)
        starts = [line for w in (box, other) for line in w.lines if ": started" in line]
        assert len(starts) == len(jobs)
