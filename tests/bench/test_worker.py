"""One worker on the queue: jobs a second, time to start, files, what a warm child costs."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest
from pydantic import JsonValue

from compute.context import LocalContext
from compute.jobs.job import Job, schema_of
from compute.jobs.subjects import Timing
from compute.throughput import TOOL
from compute.throughput.request import ThroughputRequest
from tests.bench.harness import figure, title
from tests.bench.load import questions
from tests.compute.worker.bot import BotHalf, bot_of
from tests.fakes.broker import running_broker
from tests.fakes.workers import WorkerProcess, running_worker

QUEUED = 1000
SINGLE = 200
FILE_BYTES = 20_000_000
IDLE_S = 20.0


@asynccontextmanager
async def served(module: str = "") -> AsyncIterator[tuple[BotHalf, WorkerProcess]]:
    """A broker with fsync always, the bot's half and one worker, with the clocks of every day."""
    timing = Timing()
    async with running_broker() as broker, bot_of(broker, "box", timing=timing) as bot:
        access = broker.worker("box")
        async with running_worker(access, "box", timing=timing, module=module) as worker:
            if not module:
                await bot.ended("null")
            yield bot, worker


@pytest.mark.bench
async def test_jobs_a_second_through_one_worker() -> None:
    async with served() as (bot, _):
        jobs = [bot.job("null") for _ in range(QUEUED)]
        began = time.perf_counter()
        await publish_all(bot, jobs)
        published_s = time.perf_counter() - began
        for job in jobs:
            await bot.end(job)
        took_s = time.perf_counter() - began
        rate = run_rate(bot, jobs)
    title(f"worker: {QUEUED:,} jobs that do nothing, fsync always")
    figure("published a second", QUEUED / published_s)
    figure("jobs a second, from the first publication to the last end", QUEUED / took_s)
    figure("jobs a second, from the first start to the last end", rate)


@pytest.mark.bench
async def test_from_asking_to_starting() -> None:
    async with served() as (bot, _):
        starts, ends = [], []
        for _ in range(SINGLE):
            began = time.perf_counter()
            job = await bot.ask("null")
            await bot.started(job)
            starts.append(1000 * (time.perf_counter() - began))
            await bot.end(job)
            ends.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(0.01)
    title(f"worker: one job after another, {SINGLE} times, idle in between (ms)")
    figure("asked to started p50, p99", *percentiles(starts))
    figure("asked to ended p50, p99", *percentiles(ends))


@pytest.mark.bench
async def test_files_of_20_mb() -> None:
    async with served() as (bot, _):
        sent, fetched = [], []
        for _ in range(5):
            began = time.perf_counter()
            job = await bot.ask("maker", {"size": FILE_BYTES})
            await bot.end(job)
            sent.append(time.perf_counter() - began)
            content = await bot.fetch("box", job, "table.csv")
            fetched.append(time.perf_counter() - began)
            assert len(content) == FILE_BYTES
    title("worker: a job with a file of 20 MB (s)")
    figure("asked to ended: made, sent, recorded", sent)
    figure("asked to fetched", fetched)


@pytest.mark.bench
async def test_a_real_small_job_in_a_warm_child() -> None:
    inputs = questions(1, start=1, new_every=1)[0]
    tool = "throughput"
    schema_id = schema_of(TOOL)  # 30 ms
    async with served("compute.worker.child") as (bot, _):
        took, inside = [], []
        for _ in range(SINGLE // 2):
            began = time.perf_counter()
            end = await bot.ended(tool, inputs, schema_id=schema_id)
            assert end.phase == "done"
            took.append(1000 * (time.perf_counter() - began))
            inside.append(await direct_ms(inputs))
    title("worker: a throughput question as a job in a warm child (ms)")
    figure("asked to ended p50, p99", *percentiles(took))
    figure("the same in this process p50, p99", *percentiles(inside))
    figure("what the queue and the child add, p50", percentiles(took)[0] - percentiles(inside)[0])


@pytest.mark.bench
async def test_what_waiting_costs() -> None:
    async with served() as (_, worker):
        processes = [psutil.Process(pid) for pid in (worker.pid, *worker.below())]
        before = [sum(process.cpu_times()[:2]) for process in processes]
        await asyncio.sleep(IDLE_S)
        used = [
            100 * (sum(process.cpu_times()[:2]) - start) / IDLE_S
            for process, start in zip(processes, before, strict=True)
        ]
        memory = [process.memory_info().rss / 2**20 for process in processes]
    title(f"worker: waiting for {IDLE_S:g} s (worker, leash, warm child)")
    figure("share of one core, %", *used)
    figure("resident memory, MiB", *memory)


async def direct_ms(inputs: dict[str, JsonValue]) -> float:
    """The same question without queue or child."""
    began = time.perf_counter()
    context = LocalContext("http://127.0.0.1:9")
    request = ThroughputRequest.model_validate(inputs)
    result = await TOOL.run(request, context)
    result.model_dump_json()
    await context.close()
    return 1000 * (time.perf_counter() - began)


def percentiles(values: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    return statistics.median(values), statistics.quantiles(values, n=100)[98]


def run_rate(bot: BotHalf, jobs: list[Job]) -> float:
    """Jobs a second while the worker was busy, by its own clock."""
    first = min(bot.states[job.id][0].started_at for job in jobs)
    last = max(bot.ends(job)[0].updated_at for job in jobs)
    return len(jobs) / (last - first)


async def publish_all(bot: BotHalf, jobs: list[Job]) -> None:
    """Publish with 50 under way at once."""
    slots = asyncio.Semaphore(50)

    async def one(job: Job) -> None:
        async with slots:
            await bot.publish(job)

    await asyncio.gather(*(one(job) for job in jobs))
