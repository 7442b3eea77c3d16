"""What a waiting worker says of itself, to the terminal and on its card, and how it is woken."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from compute.jobs.job import PROTOCOL
from compute.jobs.lanes import lanes_of
from tests.compute.worker.bot import BotHalf
from tests.fakes.workers import FAST, H100, WorkerProcess

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

Shared = tuple[BotHalf, WorkerProcess]


async def test_it_says_in_one_line_what_it_serves_and_shows_it_on_its_card(shared: Shared) -> None:
    bot, box = shared
    line = await box.heard("waiting for jobs")
    assert line.startswith("worker box: H100 80GB HBM3, 80 GiB, lanes any, cuda, ")
    assert "sm90" in line and "gpu-h100-sxm" in line
    card = await bot.card_when("box", lambda card: card is not None)
    assert card is not None
    assert (card.lanes, card.protocol, card.machine) == (lanes_of(H100), PROTOCOL, H100)
    assert card.tools["null"] == bot.job("null").schema_id
    assert card.load >= 0 and card.gpu_load is None and card.job == ""


async def test_the_card_names_the_running_job_and_is_renewed(shared: Shared) -> None:
    bot, _ = shared
    job = await bot.ask("sleeper", {"seconds": 60})
    card = await bot.card_when("box", lambda card: card is not None and card.job == job.id)
    assert card is not None
    await bot.card_when("box", lambda later: later is not None and later.at > card.at)
    await bot.cancel(job, "box")
    await bot.card_when("box", lambda card: card is not None and card.job == "")


async def test_a_lane_that_appears_later_is_found_by_its_bell(shared: Shared) -> None:
    bot, _ = shared
    await bot.set_up("box", lanes=("cuda80-sm90",))
    assert (await bot.ended("null", lane="cuda80-sm90")).phase == "done"


async def test_without_a_bell_a_job_is_found_by_the_next_poll(shared: Shared) -> None:
    bot, _ = shared
    job = bot.job("null")
    await bot.js.publish(f"jobs.any.{job.id}", job.model_dump_json().encode())
    assert (await bot.end(job)).phase == "done"


async def test_another_protocol_is_said_and_no_job_is_taken(shared: Shared) -> None:
    bot, box = shared
    for protocol, who in ((PROTOCOL + 1, "worker"), (PROTOCOL - 1, "bot")):
        await bot.introduce(protocol)
        assert f"Update the {who}" in await box.heard(f"speaks protocol {protocol}")
        job = await bot.ask("null")
        await asyncio.sleep(2 * FAST.poll_s)
        assert job.id not in bot.states
        assert await cpu_s(box, FAST.poll_s) < 0.25  # it waits, bell or no bell
        await bot.introduce(PROTOCOL)
        assert (await bot.end(job)).phase == "done"
    await box.heard("fit again", 2)


async def test_a_waiting_worker_costs_next_to_nothing(shared: Shared) -> None:
    _, box = shared
    # At a tenth of the ordinary pauses; polling without a pause would take all of the time.
    assert await cpu_s(box, 1.0) < 0.3


async def cpu_s(worker: WorkerProcess, seconds: float) -> float:
    """CPU time that a worker and all below it take in that time."""
    processes = [psutil.Process(pid) for pid in (worker.pid, *worker.below())]
    before = sum(sum(process.cpu_times()[:2]) for process in processes)
    await asyncio.sleep(seconds)
    return float(sum(sum(process.cpu_times()[:2]) for process in processes) - before)
