"""A worker whose every word the test chooses, with a key of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ObjectMeta, ObjectMetaOptions

from compute.ending import end
from compute.jobs.connection import connect
from compute.jobs.job import PROTOCOL, Card, Job, JobState, Machine, schema_of
from compute.jobs.streams import CHUNK_BYTES
from compute.jobs.subjects import (
    CARD_BUCKET,
    STATE_BUCKET,
    STREAM,
    artefact_bucket,
    cancel_subject,
    consumer_of,
    state_key,
)
from tests.bot.jobs.parts import COUNT, SHORT, WAIT_S
from tests.fakes.broker import Broker


@dataclass(frozen=True)
class Given:
    """A job that the puppet was handed."""

    job: Job
    message: Msg

    @property
    def attempt(self) -> int:
        """As an honest worker counts."""
        return self.job.base + int(self.message.metadata.num_delivered)


class Puppet:
    """A worker whose every word the test chooses; it does nothing by itself."""

    def __init__(self, name: str, client: Client, lanes: tuple[str, ...]) -> None:
        self.name = name
        self.lanes = lanes
        self.client = client
        self.js = client.jetstream()
        self.told_to_stop: list[str] = []
        self._pulled: asyncio.Queue[Msg] = asyncio.Queue()
        self._inbox = client.new_inbox()

    async def begin(self) -> None:
        """Listen, and show a card."""
        await self.client.subscribe(self._inbox, cb=self._pulled.put)
        await self.client.subscribe(cancel_subject(self.name), cb=self._stop)
        self._showing = asyncio.create_task(self._keep_showing())

    async def end(self) -> None:
        """Show no card any more; the last one stays."""
        await end(self._showing, again_s=0.5)

    async def _keep_showing(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await self.show()
            await asyncio.sleep(SHORT.card_s)

    async def show(self, job: str = "", **more: Any) -> None:
        """Write the card."""
        values: dict[str, Any] = {
            "name": self.name, "protocol": PROTOCOL, "version": "test", "lanes": self.lanes,
            "tools": {COUNT.name: schema_of(COUNT)}, "job": job, "since": 1.0, "at": time.time(),
            "machine": Machine(cpu="a puppet's"),
        }  # fmt: skip
        card = Card(**(values | more))
        await self.js.publish(f"$KV.{CARD_BUCKET}.{self.name}", card.model_dump_json().encode())

    async def leave(self) -> None:
        """Take the card away."""
        await self.end()
        headers = {"KV-Operation": "DEL"}
        await self.js.publish(f"$KV.{CARD_BUCKET}.{self.name}", b"", headers=headers)

    async def pull(self, lane: str = "any") -> Given | None:
        """A job of the lane if there is one."""
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer_of(lane)}"
        await self.client.publish(subject, b'{"batch":1,"no_wait":true}', reply=self._inbox)
        async with asyncio.timeout(WAIT_S):
            message = await self._pulled.get()
        if (message.headers or {}).get("Status") or not message.data:
            return None
        return Given(Job.model_validate_json(message.data), message)

    async def take(self, lane: str = "any") -> Given:
        """Wait for a job."""
        async with asyncio.timeout(WAIT_S):
            while (given := await self.pull(lane)) is None:  # noqa: ASYNC110 -- a poll
                await asyncio.sleep(0.01)
        return given

    async def say(self, given: Given, phase: str, **more: Any) -> None:
        """Write a state of a job that was given."""
        await self.say_of(given.job, given.attempt, phase, **more)

    async def say_of(self, job: Job, attempt: int, phase: str, **more: Any) -> None:
        """Write any state at all."""
        now = time.time()
        values: dict[str, Any] = {
            "job": job.id, "worker": self.name, "ticket": job.ticket, "attempt": attempt,
            "phase": phase, "started_at": now, "updated_at": now,
        }  # fmt: skip
        state = JobState.model_construct(**(values | more))
        raw = json.dumps(state.model_dump(mode="json", exclude_unset=True, warnings=False))
        await self.write(job.id, raw.encode())

    async def write(self, job_id: str, raw: bytes) -> None:
        """Put bytes under our own key."""
        subject = f"$KV.{STATE_BUCKET}.{state_key(self.name, job_id)}"
        await self.js.publish(subject, raw)

    async def done(self, given: Given, **more: Any) -> None:
        """The right result, then the acknowledgement."""
        result = {"counted": given.job.request["number"]}
        values: dict[str, Any] = {"result": result, "run_s": 0.01, "fraction": 1.0} | more
        await self.say(given, "done", **values)
        await given.message.ack_sync()

    async def store(self, job: Job, name: str, content: bytes, media_type: str) -> dict[str, Any]:
        """Upload a file; what the state says of it."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    store = await self.js.object_store(artefact_bucket(self.name))
                    break
                except Exception:
                    await asyncio.sleep(0.02)
        meta = ObjectMeta(options=ObjectMetaOptions(max_chunk_size=CHUNK_BYTES))
        await store.put(f"{job.id}/{name}", content, meta=meta)
        return {
            "name": name,
            "media_type": media_type,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    async def _stop(self, message: Msg) -> None:
        self.told_to_stop.append(message.data.decode())


@asynccontextmanager
async def puppet(
    broker: Broker, name: str, *lanes: str, allowed: bool = True
) -> AsyncIterator[Puppet]:
    """A worker with a key of its own and the permissions that go with it."""
    lanes = lanes or ("any",)
    access = await asyncio.to_thread(broker.worker, name, *(lanes if allowed else ()))
    client = await connect(access)
    try:
        played = Puppet(name, client, lanes)
        await played.begin()
        yield played
        await played.end()
    finally:
        await client.close()
