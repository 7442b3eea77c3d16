"""A worker's life: what it says, whom it serves, and how it leaves."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import psutil
import pytest

from compute.jobs.job import PROTOCOL, Machine, schema_of
from compute.jobs.lanes import lanes_of
from compute.selfcheck import TOOL
from compute.worker.watch import runs
from tests.compute.worker.bot import BotHalf, bot_of
from tests.compute.worker.processes import gone, written
from tests.fakes.broker import Broker
from tests.fakes.workers import FAST, running_worker, start_worker

pytestmark = pytest.mark.slow

H100 = Machine(sm=90, memory_gib=79.65, gpu="NVIDIA H100 80GB HBM3", gpu_key="H100-SXM")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopped_worker_hands_its_job_to_another_at_once(
    broker: Broker, bot: BotHalf, tmp_path: Path, number: signal.Signals
) -> None:
    box = await start_worker(broker.worker("box"), "box")
    job = await bot.ask("stubborn", {"seconds": 60, "path": str(tmp_path / "pids")})
    (pid,) = await written(tmp_path / "pids")
    await bot.started(job)
    async with running_worker(broker.worker("other"), "other"):
        box.send(number)
        stopped_s = time.monotonic()
        second = await bot.started(job, attempt=2)
        assert time.monotonic() - stopped_s < FAST.drop_s  # not for want of a lease
        assert second.worker == "other"
        assert not runs(pid)
        assert await box.end() == 0
        await box.heard(f"{job.id[:6]}: handed back: the worker is stopping")
        await box.heard("worker box: ended")
        assert any("box gave it back" in state.words for state in bot.states[job.id])
        await bot.cancel(job, "other")


async def test_a_stopped_worker_leaves_no_process_and_no_card(broker: Broker, bot: BotHalf) -> None:
    box = await start_worker(broker.worker("box"), "box")
    await bot.ended("null")
    await bot.card_when("box", lambda card: card is not None)
    processes = box.below()
    box.send(signal.SIGTERM)
    assert await box.end() == 0
    await gone(processes)
    await bot.card_when("box", lambda card: card is None)


async def test_it_says_in_one_line_what_it_serves_and_shows_it_on_its_card(
    broker: Broker, bot: BotHalf
) -> None:
    async with running_worker(broker.worker("box"), "box", machine=H100) as box:
        line = await box.heard("waiting for jobs")
        assert line.startswith("worker box: H100 80GB HBM3, 80 GiB, lanes any, cuda, ")
        assert "sm90" in line and "gpu-h100-sxm" in line
        card = await bot.card_when("box", lambda card: card is not None)
    assert card is not None
    assert (card.lanes, card.protocol, card.machine) == (lanes_of(H100), PROTOCOL, H100)
    assert card.tools["null"] == bot.job("null").schema_id
    assert card.load > 0 and card.gpu_load is None and card.job == ""


async def test_the_card_names_the_running_job_and_is_renewed(broker: Broker, bot: BotHalf) -> None:
    async with running_worker(broker.worker("box"), "box"):
        job = await bot.ask("sleeper", {"seconds": 60})
        card = await bot.card_when("box", lambda card: card is not None and card.job == job.id)
        assert card is not None
        await bot.card_when("box", lambda later: later is not None and later.at > card.at)
        await bot.cancel(job, "box")
        await bot.card_when("box", lambda card: card is not None and card.job == "")


@pytest.mark.parametrize(("protocol", "who"), [(PROTOCOL + 1, "worker"), (PROTOCOL - 1, "bot")])
async def test_another_protocol_is_said_and_no_job_is_taken(
    broker: Broker, bot: BotHalf, protocol: int, who: str
) -> None:
    await bot.introduce(protocol)
    async with running_worker(broker.worker("box"), "box") as box:
        line = await box.heard("speaks protocol")
        assert f"Update the {who}" in line
        job = await bot.ask("null")
        await asyncio.sleep(2 * FAST.poll_s)
        assert job.id not in bot.states
        await bot.introduce(PROTOCOL)
        await box.heard("fit again")
        assert (await bot.end(job)).phase == "done"


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


async def test_a_lane_that_appears_later_is_found_by_its_bell(broker: Broker) -> None:
    async with (
        bot_of(broker, "box") as bot,
        running_worker(broker.worker("box"), "box", machine=H100),
    ):
        assert (await bot.ended("null")).phase == "done"
        await bot.set_up("box", lanes=("cuda80-sm90",))
        assert (await bot.ended("null", lane="cuda80-sm90")).phase == "done"


async def test_without_a_bell_a_job_is_found_by_the_next_poll(broker: Broker, bot: BotHalf) -> None:
    async with running_worker(broker.worker("box"), "box"):
        await bot.ended("null")
        job = bot.job("null")
        data = job.model_dump_json().encode()
        await bot.js.publish(f"jobs.any.{job.id}", data)
        assert (await bot.end(job)).phase == "done"


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


async def test_a_waiting_worker_costs_next_to_nothing(broker: Broker, bot: BotHalf) -> None:
    async with running_worker(broker.worker("box"), "box") as box:
        await bot.ended("null")
        everything = [psutil.Process(pid) for pid in (box.pid, *box.below())]
        before = [sum(process.cpu_times()[:2]) for process in everything]
        await asyncio.sleep(2.0)
        used = sum(sum(p.cpu_times()[:2]) for p in everything) - sum(before)
    # 2 s at a tenth of the ordinary pauses; polling without a pause would take all of them.
    assert used < 0.5
