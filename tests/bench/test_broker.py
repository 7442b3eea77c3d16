"""What the embedded queue costs while nothing happens, and what one job costs on it.

Idle means: the bot and four workers connected, each worker polling its lane every 2 s and writing
its card every 3 s, as they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import psutil
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from compute.jobs.connection import connect
from compute.jobs.streams import CHUNK_BYTES, ensure_lane, ensure_streams, ensure_worker_bucket
from compute.jobs.subjects import STREAM, Timing
from tests.bench.harness import figure, title
from tests.fakes.broker import Broker, running_broker
from tests.fakes.discord.load import quantiles

IDLE_S = 20.0
WORKERS = 4
JOBS = 1000
MAX_RSS_MB, MAX_CPU_SHARE = 20.0, 0.01
ONE = b'{"batch":1,"no_wait":true}'
NEXT = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.lane-any"


@contextlib.asynccontextmanager
async def queue() -> AsyncIterator[tuple[Broker, Client, list[Client]]]:
    """A server with one lane, the bot and the workers."""
    async with running_broker() as broker, contextlib.AsyncExitStack() as stack:
        bot = await stack.enter_async_context(broker.client())
        await ensure_streams(bot.jetstream(), Timing())
        await ensure_lane(bot.jetstream(), "any", Timing())
        workers = []
        for number in range(WORKERS):
            await ensure_worker_bucket(bot.jetstream(), f"gpu-{number}", Timing())
            access = broker.worker(f"gpu-{number}", "any")
            workers.append(await stack.enter_async_context(broker.client(access)))
        yield broker, bot, workers


async def idle(worker: Client, name: str, until_s: float) -> None:
    """What a worker without a job says to the server."""
    timing = Timing()
    while time.monotonic() < until_s:
        await worker.request(NEXT, ONE, timeout=5)
        await worker.jetstream().publish(f"$KV.workers.{name}", b"x" * 1500)
        await asyncio.sleep(timing.poll_s)


@pytest.mark.bench
async def test_idle_memory_and_processor_time() -> None:
    title("the queue's server, idle")
    async with running_broker() as broker, broker.client() as bot:
        figure("resident, just started, MB", resident_mb(broker))
        await ensure_streams(bot.jetstream(), Timing())
        await ensure_lane(bot.jetstream(), "any", Timing())
        await ensure_worker_bucket(bot.jetstream(), "local", Timing())
        async with broker.client(broker.local) as local:
            share = await share_while_idle(broker, [local], ["local"])
            rss_mb = resident_mb(broker)
    figure("resident with the bot and the local worker, MB", rss_mb)
    figure("share of one processor, %", share * 100)
    async with queue() as (broker, _, workers):
        names = [f"gpu-{number}" for number in range(WORKERS)]
        more = await share_while_idle(broker, workers, names)
        figure(f"resident with {WORKERS} workers added while it runs, MB", resident_mb(broker))
        figure("share of one processor, %", more * 100)
    assert rss_mb < MAX_RSS_MB
    assert max(share, more) < MAX_CPU_SHARE


async def share_while_idle(broker: Broker, workers: list[Client], names: list[str]) -> float:
    """The server's processor time over ``IDLE_S``."""
    server = psutil.Process(broker.pid)
    before_s, began_s = sum(server.cpu_times()[:2]), time.monotonic()
    until_s = began_s + IDLE_S
    pairs = zip(workers, names, strict=True)
    await asyncio.gather(*(idle(worker, name, until_s) for worker, name in pairs))
    return float(sum(server.cpu_times()[:2]) - before_s) / (time.monotonic() - began_s)


def resident_mb(broker: Broker) -> float:
    """10^6 bytes; 14 of them are pages of the program itself, which the kernel may drop."""
    return float(psutil.Process(broker.pid).memory_info().rss) / 1e6


async def publish(bot: Client) -> None:
    for number in range(JOBS):
        await bot.jetstream().publish(f"jobs.any.{number}", b"x" * 1000)


async def pull(worker: Client, inbox: str, arrived: asyncio.Queue[Msg]) -> Msg:
    """A stored job may be a moment away from its consumer: ask until it is there."""
    while True:
        await worker.publish(NEXT, ONE, reply=f"{inbox}.x")
        message = await arrived.get()
        if message.subject.startswith("jobs."):
            return message


@pytest.mark.bench
async def test_jobs_a_second_through_one_worker_and_memory_afterwards() -> None:
    async with queue() as (broker, bot, workers):
        waits_ms: list[float] = []
        worker, js = workers[0], workers[0].jetstream()
        inbox, arrived = worker.new_inbox(), asyncio.Queue[Msg]()
        await worker.subscribe(f"{inbox}.*", cb=arrived.put)
        for number in range(JOBS // 10):
            asked_s = time.monotonic()
            await bot.jetstream().publish(f"jobs.any.first-{number}", b"x" * 1000)
            message = await pull(worker, inbox, arrived)
            waits_ms.append((time.monotonic() - asked_s) * 1e3)
            await worker.request(message.reply, b"+ACK", timeout=5)
        began_s = time.monotonic()
        publishing = asyncio.create_task(publish(bot))
        for number in range(JOBS):
            message = await pull(worker, inbox, arrived)
            await js.publish(f"$KV.state.gpu-0.{number}", b"x" * 1000)
            await worker.request(message.reply, b"+ACK", timeout=5)
        rate = JOBS / (time.monotonic() - began_s)
        await publishing
        title("publish, pull, one state, acknowledge; each synced")
        found = quantiles(waits_ms)
        figure("jobs/s, one worker", rate)
        figure("publish to delivery p50, p99 (ms)", found["p50"], found["p99"])
        figure("resident afterwards, MB", resident_mb(broker))
    assert rate > 150


@pytest.mark.bench
async def test_memory_after_twenty_files_of_20_mb() -> None:
    from nats.js.api import ObjectMeta, ObjectMetaOptions
    from nats.js.object_store import ObjectStore

    async with queue() as (broker, bot, workers):
        content, took_s = b"x" * 20_000_000, list[float]()
        bucket = "artefacts-gpu-0"
        store = ObjectStore(name=bucket, stream=f"OBJ_{bucket}", js=workers[0].jetstream())
        for number in range(20):
            name = f"job-{number}/out.csv"
            meta = ObjectMeta(name=name, options=ObjectMetaOptions(max_chunk_size=CHUNK_BYTES))
            began_s = time.monotonic()
            await store.put(name, content, meta)
            took_s.append(time.monotonic() - began_s)
            await bot.jetstream().purge_stream(f"OBJ_{bucket}")
        title("20 files of 20 MB, one after another")
        figure("put, s: median, most", sorted(took_s)[10], max(took_s))
        figure("resident afterwards, MB", resident_mb(broker))


@pytest.mark.bench
async def test_a_worker_joins_and_is_cut_off() -> None:
    joined_ms, cut_ms = [], []
    async with running_broker() as broker:
        for number in range(10):
            began_s = time.monotonic()
            access = await asyncio.to_thread(broker.worker, f"new-{number}")
            closed = asyncio.Event()
            client = await connect(access, on_down=closed.set)
            joined_ms.append((time.monotonic() - began_s) * 1e3)
            began_s = time.monotonic()
            await asyncio.to_thread(broker.remove, f"new-{number}")
            await closed.wait()
            cut_ms.append((time.monotonic() - began_s) * 1e3)
            await client.close()
    title("a worker is added or removed while the server runs")
    figure("add to connected, ms: p50, most", quantiles(joined_ms)["p50"], max(joined_ms))
    figure("remove to cut off, ms: p50, most", quantiles(cut_ms)["p50"], max(cut_ms))
    assert max(joined_ms) < 500
