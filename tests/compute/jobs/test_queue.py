"""The bot's connection to the queue: stored once, heard again, files whole or not at all."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import compute.jobs.queue
from compute.broker.access import Access
from compute.jobs.fetch import FileLost
from compute.jobs.job import Artefact, BotInfo, Job
from compute.jobs.queue import Heard, Queue, QueueDown
from compute.jobs.streams import ensure_lane
from compute.jobs.subjects import Timing, job_subject
from tests.fakes.broker import Broker, running_broker

SHORT = Timing(lease_s=1.5, card_s=0.2, gone_s=1.5, artefact_ttl_s=60.0)
WAIT_S = 20.0
KEY = "j" * 22


class Ears:
    """What the queue told, in order."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str, bytes]] = []
        self.cards: list[tuple[str, bytes | None]] = []
        self.changes: list[bool] = []
        self.heard = Heard(
            lambda worker, job, raw: self.states.append((worker, job, raw)),
            lambda worker, raw, _: self.cards.append((worker, raw)),
            self.changes.append,
        )


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[tuple[Queue, Ears]]:
    ears = Ears()
    queue = Queue(ears.heard, BotInfo(protocol=1, version="test"), SHORT)
    queue.open(access)
    try:
        yield queue, ears
    finally:
        await queue.close()


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with running_broker() as started:
        yield started


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 -- what it looks at has no event
            await asyncio.sleep(0.01)


def job(lane: str = "any") -> Job:
    return Job(
        id=secrets.token_urlsafe(16), tool="t", schema_id="s", request={}, lane=lane, ticket="k"
    )


async def test_first_jobs_of_a_lane_keep_their_order_while_the_lane_is_made(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0

    async def slower_the_first_time(*given: Any) -> None:
        nonlocal made
        made += 1
        await ensure_lane(*given)
        await asyncio.sleep(0.3 if made == 1 else 0.0)  # its disk is busy

    monkeypatch.setattr(compute.jobs.queue, "ensure_lane", slower_the_first_time)
    async with connected(broker.bot) as (queue, _):
        await until(lambda: queue.up)
        jobs = [job() for _ in range(4)]
        await asyncio.gather(*(queue.publish(one, 1) for one in jobs))
        assert made == 1
        async with broker.client() as client:
            js = client.jetstream()
            stored = [await js.get_msg("JOBS", number) for number in range(1, 5)]
        assert [message.subject for message in stored] == [
            job_subject("any", one.id) for one in jobs
        ]


async def test_a_publication_is_stored_once_and_the_next_is_another(broker: Broker) -> None:
    async with connected(broker.bot) as (queue, _):
        await until(lambda: queue.up)
        one = job()
        for _ in range(3):
            await queue.publish(one, 1)
        assert await queue.present() == {one.id: "any"}
        async with broker.client() as client:
            assert (await client.jetstream().stream_info("JOBS")).state.messages == 1
            await queue.remove("any", one.id)
            assert await queue.present() == {}
            await queue.publish(one, 1)
            assert await queue.present() == {}
            await queue.publish(one, 2)
            assert await queue.present() == {one.id: "any"}
        await queue.remove("any", one.id)
        await queue.remove("any", one.id)


async def test_the_bell_rings_after_the_job_is_stored(broker: Broker) -> None:
    async with connected(broker.bot) as (queue, _), broker.client() as client:
        await until(lambda: queue.up)
        stored: list[int] = []

        async def rung(_: object) -> None:
            stored.append((await client.jetstream().stream_info("JOBS")).state.messages)

        await client.subscribe("bell.sm90", cb=rung)
        await client.flush()
        await queue.publish(job("sm90"), 1)
        await until(lambda: stored == [1])
        await queue.ring("sm90")
        await until(lambda: len(stored) == 2)


async def test_what_stands_on_the_broker_is_heard_by_whoever_connects(broker: Broker) -> None:
    async with connected(broker.bot) as (first, _):
        await until(lambda: first.up)
        async with broker.client() as client:
            js = client.jetstream()
            await js.publish(f"$KV.state.box.{KEY}", b"half")
            await js.publish(f"$KV.state.box.{KEY}", b"done")
            await js.publish("$KV.workers.box", b"card")
    async with connected(broker.bot) as (queue, ears):
        await until(lambda: bool(ears.states and ears.cards))
        assert ears.states == [("box", KEY, b"done")]
        assert ears.cards == [("box", b"card")]
        assert await queue.last_state(KEY) == ("box", b"done")
        await queue.forget("*", KEY)
        assert await queue.last_state(KEY) is None
        async with broker.client() as client:
            await client.jetstream().publish(
                "$KV.workers.box", b"", headers={"KV-Operation": "DEL"}
            )
        await until(lambda: ears.cards[-1] == ("box", None))


async def test_an_outage_is_told_and_everything_is_heard_anew_after_it(broker: Broker) -> None:
    async with connected(broker.bot) as (queue, ears):
        await until(lambda: queue.up)
        async with broker.client() as client:
            await client.jetstream().publish(f"$KV.state.box.{KEY}", b"before")
        await until(lambda: len(ears.states) == 1)
        await asyncio.to_thread(broker.kill)
        await until(lambda: ears.changes == [True, False])
        for call in (queue.publish(job(), 1), queue.present(), queue.cancel("box", KEY)):
            with pytest.raises(QueueDown):
                await call
        await asyncio.to_thread(broker.start)
        await until(lambda: ears.changes == [True, False, True])
        await until(lambda: ears.states == [("box", KEY, b"before")] * 2)
        async with broker.client() as client:
            await client.jetstream().publish(f"$KV.state.box.{KEY}", b"after")
        await until(lambda: ears.states[-1][2] == b"after")


async def test_it_waits_for_a_broker_that_is_not_there_yet(broker: Broker) -> None:
    access = broker.bot
    await asyncio.to_thread(broker.kill)
    async with connected(access) as (queue, ears):
        with pytest.raises(QueueDown):
            await queue.publish(job(), 1)
        assert ears.changes == []
        await asyncio.to_thread(broker.start)
        await until(lambda: queue.up)


async def test_a_cancellation_reaches_the_worker_it_is_for(broker: Broker) -> None:
    async with connected(broker.bot) as (queue, _):
        await until(lambda: queue.up)
        heard: list[str] = []

        async def hear(message: object) -> None:
            heard.append(getattr(message, "data", b"").decode())

        access = await asyncio.to_thread(broker.worker, "box")
        async with broker.client(access) as client:
            await client.subscribe("cancel.box", cb=hear)
            await client.flush()
            await queue.cancel("box", KEY)
            await until(lambda: heard == [KEY])


async def upload(broker: Broker, content: bytes, name: str = f"{KEY}/f.txt") -> Artefact:
    """As a worker does."""
    import hashlib

    from nats.js.api import ObjectMeta, ObjectMetaOptions

    async with broker.client() as client:
        store = await client.jetstream().object_store("artefacts-box")
        meta = ObjectMeta(options=ObjectMetaOptions(max_chunk_size=512 * 1024))
        await store.put(name, content, meta=meta)
    digest = hashlib.sha256(content).hexdigest()
    return Artefact(name="f.txt", media_type="text/plain", size=len(content), sha256=digest)


async def test_twenty_megabytes_come_whole(broker: Broker) -> None:
    content = os.urandom(20_000_000)
    async with connected(broker.bot) as (queue, _):
        await until(lambda: queue.up)
        await queue.make_store("box")
        file = await upload(broker, content)
        into = io.BytesIO()
        await queue.fetch("box", KEY, file, into)
        assert into.getvalue() == content
        await queue.drop_file("box", KEY, "f.txt")
        await queue.drop_file("box", KEY, "f.txt")
        with pytest.raises(FileLost, match="not in the worker's store"):
            await queue.fetch("box", KEY, file, io.BytesIO())
        async with broker.client() as client:
            assert (await client.jetstream().stream_info("OBJ_artefacts-box")).state.messages == 0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [({"sha256": "0" * 64}, "hash"), ({"size": 4}, "as was said"), ({"name": "g"}, "not in")],
)
async def test_a_file_that_is_not_what_was_said_is_lost(
    broker: Broker, wrong: dict[str, object], why: str
) -> None:
    async with connected(broker.bot) as (queue, _):
        await until(lambda: queue.up)
        await queue.make_store("box")
        file = await upload(broker, b"hello")
        with pytest.raises(FileLost, match=why):
            await queue.fetch("box", KEY, file.model_copy(update=wrong), io.BytesIO())
