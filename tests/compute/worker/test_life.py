"""A worker's life: what it says, whom it serves, and how it leaves."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from compute.jobs.job import schema_of
from compute.selfcheck import TOOL
from compute.worker.watch import runs
from tests.compute.worker.bot import BotHalf, bot_of
from tests.compute.worker.processes import gone, written
from tests.fakes.broker import Broker
from tests.fakes.workers import H100, PATIENT, running_worker, start_worker

pytestmark = pytest.mark.slow


async def test_a_stopped_worker_hands_its_job_to_another_at_once(
    broker: Broker, tmp_path: Path
) -> None:
    async with bot_of(broker, "box", "other", timing=PATIENT) as bot:
        box = await start_worker(broker.worker("box"), "box", timing=PATIENT)
        job = await bot.ask("stubborn", {"seconds": 60, "path": str(tmp_path / "pids")})
        (pid,) = await written(tmp_path / "pids")
        await bot.started(job)
        async with running_worker(broker.worker("other"), "other", timing=PATIENT):
            box.send(signal.SIGTERM)
            stopped_s = time.monotonic()
            second = await bot.started(job, attempt=2)
            assert time.monotonic() - stopped_s < PATIENT.drop_s  # not for want of a lease
            assert second.worker == "other"
            assert not runs(pid)
            assert await box.end() == 0
            await box.heard(f"{job.id[:6]}: handed back: the worker is stopping")
            await box.heard("worker box: ended")
            assert any("box gave it back" in state.words for state in bot.states[job.id])
            await bot.cancel(job, "other")


async def test_an_interrupted_worker_leaves_no_process_and_no_card(
    broker: Broker, bot: BotHalf
) -> None:
    box = await start_worker(broker.worker("box"), "box")
    await bot.ended("null")
    await bot.card_when("box", lambda card: card is not None)
    processes = box.below()
    box.send(signal.SIGINT)
    assert await box.end() == 0
    assert box.lines[-1] == "worker box: ended"
    await gone(processes)
    await bot.card_when("box", lambda card: card is None)


async def test_a_removed_worker_ends_with_a_sentence(broker: Broker, bot: BotHalf) -> None:
    box = await start_worker(broker.worker("box"), "box")
    assert (await bot.ended("null")).phase == "done"
    processes = box.below()
    broker.remove("box")
    assert await box.end() == 1
    assert "no longer accepts the key of worker box" in box.lines[-1]
    await gone(processes)
    assert "Traceback" not in box.logged()


async def test_a_wrong_key_is_a_sentence_and_leaves_nothing(broker: Broker) -> None:
    access = broker.worker("box")
    broker.remove("box")
    box = await start_worker(access, "box")
    assert await box.end() == 1
    assert "refuses the key of box" in box.lines[-1]
    assert "Traceback" not in box.logged()


async def test_jobs_go_to_the_most_demanding_lane_first(broker: Broker) -> None:
    lanes = ("any", "cuda", "sm90")
    async with bot_of(broker, "box", lanes=lanes) as bot:
        jobs = [await bot.ask("sleeper", {"seconds": 0.05}, lane=lane) for lane in lanes]
        async with running_worker(broker.worker("box"), "box", machine=H100):
            ends = [await bot.end(job) for job in jobs]
    assert ends[2].started_at < ends[1].started_at < ends[0].started_at


async def test_a_lane_that_the_machine_lacks_is_left_to_others(broker: Broker) -> None:
    async with bot_of(broker, "box", lanes=("any", "cuda")) as bot:
        job = await bot.ask("null", lane="cuda")
        async with running_worker(broker.worker("box"), "box"):
            assert (await bot.ended("null")).phase == "done"
            assert job.id not in bot.states
        async with running_worker(broker.worker("gpu"), "gpu", machine=H100):
            assert (await bot.end(job)).worker == "gpu"


async def test_lanes_that_the_operator_or_the_queue_withholds_are_not_served(
    broker: Broker,
) -> None:
    access = broker.worker("box", "cuda")  # by its permissions
    async with bot_of(broker, "box", lanes=("any", "cuda")) as bot:
        withheld = await bot.ask("null")
        async with running_worker(access, "box", machine=H100) as box:
            assert (await bot.ended("null", lane="cuda")).phase == "done"
            card = await bot.card_when("box", lambda c: c is not None and "any" not in c.lanes)
            assert card is not None and "cuda" in card.lanes
            assert (await bot.ended("null", lane="cuda")).phase == "done"
            assert "gives this worker no jobs of lane any" in box.logged()
        other = broker.worker("other")
        async with running_worker(other, "other", machine=H100, allowed_lanes=["sm90", "cuda"]):
            card = await bot.card_when("other", lambda card: card is not None)
            assert card is not None and card.lanes == ("sm90", "cuda")
        assert withheld.id not in bot.states


async def test_the_projects_own_tools_run_in_the_projects_own_child(
    broker: Broker, bot: BotHalf
) -> None:
    module = "compute.worker.child"
    secret = {"DISCORD_TOKEN": "hunter2", "K2C_SECRET_KEY": "hunter2"}
    async with running_worker(broker.worker("box"), "box", module=module, **secret):
        card = await bot.card_when("box", lambda card: card is not None)
        assert card is not None and {"selfcheck", "throughput"} <= card.tools.keys()
        request = {"seconds": 0.2, "file_kib": 8}
        job = await bot.ask("selfcheck", request, schema_id=schema_of(TOOL))
        end = await bot.end(job)
        content = await bot.fetch("box", job, "selfcheck.txt")
    assert end.phase == "done" and end.result is not None
    assert end.result["secrets"] == []
    assert end.result["file_sha256"] == end.artefacts[0].sha256
    assert len(content) == 8192
