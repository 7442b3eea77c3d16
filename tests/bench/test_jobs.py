"""The way of a run that does nothing: asked for, published, started, recorded. Real processes."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from compute.jobs.subjects import Timing
from tests.bench.harness import figure, title
from tests.bot.jobs.parts import Bot, running_bot, until
from tests.fakes.broker import Broker, running_broker
from tests.fakes.workers import running_worker

SINGLE = 300
QUEUED = 1000
PEOPLE = 50
FILE_BYTES = 20_000_000


@pytest.mark.bench
@pytest.mark.parametrize("workers", [1, 4])
async def test_null_runs_from_asking_to_the_record(tmp_path: Path, workers: int) -> None:
    async with running_broker() as broker, AsyncExitStack() as stack:
        bot = await stack.enter_async_context(running_bot(broker, tmp_path, Timing()))
        await attach(stack, broker, bot, workers)
        title(f"null runs, {workers} worker(s), SQLite FULL, broker fsync always")
        if workers == 1:
            await one_by_one(bot)
        begun, used = time.perf_counter(), cpu(broker)
        asked = [bot.run("null", user=str(n % PEOPLE), size=n) for n in range(QUEUED)]
        await asyncio.gather(*asked)
        taken_s = time.perf_counter() - begun
        await until(lambda: not bot.jobs._desk.runs, within_s=300)
        whole_s = time.perf_counter() - begun
        figure("asked for and on disk, a second", round(QUEUED / taken_s))
        figure("recorded, a second", round(QUEUED / whole_s))
        spent = zip(cpu(broker), used, strict=True)
        figure("CPU ms a run: bot, broker", *[round((b - a) / QUEUED * 1e3, 2) for b, a in spent])
        ends = await bot.rows("SELECT state, attempt, COUNT(*) FROM runs GROUP BY state, attempt")
        assert [(state, attempt) for state, attempt, _ in ends] == [("done", 1)]
        answers = await bot.answers()
        assert len(answers) == len(set(answers)) == ends[0][2]


@pytest.mark.bench
async def test_a_file_of_20_mb_from_the_tool_to_the_bots_disk(tmp_path: Path) -> None:
    async with running_broker() as broker, AsyncExitStack() as stack:
        bot = await stack.enter_async_context(running_bot(broker, tmp_path, Timing()))
        await attach(stack, broker, bot, 1)
        took = []
        for n in range(5):
            begun = time.perf_counter()
            result_id = await bot.run("maker", size=FILE_BYTES + n)
            await bot.until(result_id, "done")
            took.append(time.perf_counter() - begun)
        title("a run that makes a file of 20 MB, asked for to recorded")
        figure("s", [round(s, 2) for s in took])


async def attach(stack: AsyncExitStack, broker: Broker, bot: Bot, workers: int) -> None:
    """Start workers, and let each have done something."""
    for n in range(workers):
        name = f"w{n}"
        await stack.enter_async_context(running_worker(broker.worker(name), name, timing=Timing()))
    await until(lambda: bot.jobs.counters()["workers_online"] == workers)
    for _ in range(5 * workers):
        await bot.until(await bot.run("null"), "done")


async def one_by_one(bot: Bot) -> None:
    """From the call of ``submit`` until the bot knows that it runs, nothing else going on."""
    for n in range(SINGLE):
        result_id = await bot.run("null", size=n)
        await until(lambda r=result_id: bot.jobs._desk.of_result(r) is None)  # type: ignore[misc]
    rows = await bot.rows("SELECT started_at - created_at FROM runs ORDER BY created_at DESC")
    starts = sorted(row[0] * 1e3 for row in rows[:SINGLE])
    cuts = statistics.quantiles(starts, n=100)
    figure("asked for to started, ms p50 p90 p99", *[round(cuts[n], 1) for n in (49, 89, 98)])


def cpu(broker: Broker) -> tuple[float, float]:
    """CPU seconds so far of this process, which is the bot's side, and of the broker."""
    times = psutil.Process(broker.pid).cpu_times()
    return time.process_time(), times.user + times.system
