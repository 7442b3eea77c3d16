"""The bot's side of the queue: publish and cancel jobs, hear states and cards, fetch files.

It knows the broker, not what a job means; SQLite above it is what counts. Every call raises
``QueueDown`` when the broker does not answer; nothing is lost by that, it is done again later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from compute.ending import end
from compute.jobs.fetch import FileLost, read_file, remove_file
from compute.jobs.job import Artefact, BotInfo, Job
from compute.jobs.streams import ensure_lane, ensure_streams, ensure_worker_bucket
from compute.jobs.subjects import (
    CARD_BUCKET,
    INFO_BUCKET,
    INFO_KEY,
    STATE_BUCKET,
    STREAM,
    Timing,
    bell,
    cancel_subject,
    job_subject,
    state_key,
)

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.client import JetStreamContext as _Context

    from compute.broker.access import Access

log = logging.getLogger(__name__)

CALL_S = 5.0  # one call to the broker
RETRY_S = 0.5
T = TypeVar("T")

OnState = Callable[[str, str, bytes], None]  # worker, job, JSON of a JobState
OnCard = Callable[[str, bytes | None, float], None]  # worker, JSON of a Card, its age in s
OnChange = Callable[[bool], None]


class QueueDown(Exception):
    """The broker did not answer; the same call may be made again."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is told what. All are called on the event loop and must not wait.

    ``state`` and ``card`` hear everything that stands on the broker once more after each
    connection. ``up`` is told True when that begins and False when the connection is lost.
    """

    state: OnState
    card: OnCard
    up: OnChange


class Queue:
    """One connection that lasts. Made by ``open``; usable at once, up once the broker answers."""

    def __init__(self, heard: Heard, info: BotInfo, timing: Timing) -> None:
        self.up = False
        self._heard = heard
        self._info = info
        self._timing = timing
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self._made: set[str] = set()  # lanes and stores that exist, in this connection
        self._making = asyncio.Lock()
        self._watches: list[_Context.PushSubscription] = []
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self, access: Access) -> None:
        """Begin to connect, and go on for as long as it takes."""
        self._task = asyncio.create_task(self._keep(access), name="queue")

    async def close(self) -> None:
        """Leave the broker."""
        if self._task is not None:
            await end(self._task)
        if self._client is not None:
            with contextlib.suppress(Exception):
                await self._client.close()
        self._set_up(False)

    async def publish(self, job: Job, publication: int) -> None:
        """Store ``job``; again with the same ``publication`` it is stored once (for 2 minutes)."""
        body = job.model_dump_json().encode()
        headers = {"Nats-Msg-Id": f"{job.id}-{publication}"}
        async with self._call() as js:
            await self._make(f"lane {job.lane}", lambda: ensure_lane(js, job.lane, self._timing))
            await js.publish(job_subject(job.lane, job.id), body, headers=headers, timeout=CALL_S)
            await self._connected().publish(bell(job.lane), b"")

    async def ring(self, lane: str) -> None:
        """Tell the workers of a lane to look again: a first look may come before the broker has
        the job ready to be taken, although it is stored.
        """
        async with self._call():
            await self._connected().publish(bell(lane), b"")

    async def remove(self, lane: str, job: str) -> None:
        """Take a job's message away; no matter if it is gone already."""
        async with self._call() as js:
            await js.purge_stream(STREAM, subject=job_subject(lane, job))

    async def present(self) -> dict[str, str]:
        """Every job that has a message, and its lane."""
        async with self._call() as js:
            found = (await js.stream_info(STREAM, subjects_filter="jobs.>")).state.subjects or {}
        parts = (subject.split(".") for subject in found)
        return {part[2]: part[1] for part in parts if len(part) == 3}

    async def cancel(self, worker: str, job: str) -> None:
        """Tell a worker to stop a job; it may not hear it, so tell it until it says so."""
        async with self._call():
            await self._connected().publish(cancel_subject(worker), job.encode())

    async def last_state(self, job: str) -> tuple[str, bytes] | None:
        """The worker that spoke of ``job`` last, and its words; None when nobody did."""
        from nats.js.errors import NotFoundError

        async with self._call() as js:
            try:
                found = await js.get_last_msg(
                    f"KV_{STATE_BUCKET}", f"$KV.{STATE_BUCKET}.{state_key('*', job)}"
                )
            except NotFoundError:
                return None
        worker = (found.subject or "").split(".")[2]
        return worker, found.data or b""

    async def forget(self, worker: str, job: str) -> None:
        """Take away what a worker said of a job; no marker stays."""
        subject = f"$KV.{STATE_BUCKET}.{state_key(worker, job)}"
        async with self._call() as js:
            await js.purge_stream(f"KV_{STATE_BUCKET}", subject=subject)

    def has_store(self, worker: str) -> bool:
        """Whether ``make_store`` was done in this connection."""
        return f"store {worker}" in self._made

    async def make_store(self, worker: str) -> None:
        """The place for ``worker``'s files."""
        async with self._call() as js:
            await self._make(
                f"store {worker}", lambda: ensure_worker_bucket(js, worker, self._timing)
            )

    async def fetch(self, worker: str, job: str, file: Artefact, into: BinaryIO) -> None:
        """Write a file's bytes to ``into``. Raises ``FileLost`` where they are not as was said."""
        async with self._call() as js:
            whole = await read_file(js, worker, f"{job}/{file.name}", file, into)
            if not whole and not self.up:
                raise QueueDown("the connection was lost within a file")
        if not whole:
            raise FileLost("it is not what its hash says")

    async def drop_file(self, worker: str, job: str, name: str) -> None:
        """Take a file out of the worker's store."""
        async with self._call() as js:
            await remove_file(js, worker, f"{job}/{name}")

    async def _keep(self, access: Access) -> None:
        """Connect, then make what is missing and listen anew after each loss of connection."""
        from compute.jobs.connection import connect

        def lost() -> None:
            self._set_up(False)

        def turn() -> None:
            self._set_up(False)
            self._turn.set()

        while True:
            self._turn.clear()
            try:
                if self._client is None or self._client.is_closed:
                    self._js = None
                    self._client = await connect(access, on_down=lost, on_up=turn, on_closed=turn)
                await self._begin()
            except Exception as error:
                log.info("the queue is not ready: %s", _words(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._turn.wait(), RETRY_S)
                continue
            self._set_up(True)
            await self._turn.wait()

    async def _begin(self) -> None:
        """What is said in the calls below is true for this connection only."""
        js = self._jetstream()
        self._made.clear()
        for watch in self._watches:
            with contextlib.suppress(Exception):
                await watch.unsubscribe()
        self._watches.clear()
        await ensure_streams(js, self._timing)
        info = self._info.model_dump_json().encode()
        await js.publish(f"$KV.{INFO_BUCKET}.{INFO_KEY}", info, timeout=CALL_S)
        # Cards first: a state is judged by its worker's card.
        self._watches.append(await self._watch(js, CARD_BUCKET, self._on_card))
        self._watches.append(await self._watch(js, STATE_BUCKET, self._on_state))

    async def _watch(
        self, js: JetStreamContext, bucket: str, callback: Callable[[Msg], Awaitable[None]]
    ) -> _Context.PushSubscription:
        from nats.js.api import DeliverPolicy

        return await js.subscribe(
            f"$KV.{bucket}.>",
            stream=f"KV_{bucket}",
            cb=callback,
            ordered_consumer=True,
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            idle_heartbeat=2.0,
        )

    async def _on_state(self, message: Msg) -> None:
        parts = message.subject.split(".")
        if len(parts) == 4 and message.data:
            self._heard.state(parts[2], parts[3], message.data)

    async def _on_card(self, message: Msg) -> None:
        parts = message.subject.split(".")
        if len(parts) == 3:
            age_s = time.time() - message.metadata.timestamp.timestamp()
            self._heard.card(parts[2], message.data or None, age_s)

    async def _make(self, what: str, make: Callable[[], Awaitable[None]]) -> None:
        """Once, and who came first goes on first: jobs stay in the order they were published in."""
        async with self._making:
            if what not in self._made:
                await make()
                self._made.add(what)

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[JetStreamContext]:
        """Turn every way in which the broker fails to answer into ``QueueDown``."""
        import nats.errors
        import nats.js.errors

        try:
            if not self.up:
                raise QueueDown("the queue is not connected")
            yield self._jetstream()
        except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError) as error:
            raise QueueDown(_words(error)) from error

    def _jetstream(self) -> JetStreamContext:
        if self._js is None:
            self._js = self._connected().jetstream(timeout=CALL_S)
        return self._js

    def _connected(self) -> Client:
        if self._client is None:
            raise QueueDown("the queue is not connected")
        return self._client

    def _set_up(self, up: bool) -> None:
        if up != self.up:
            self.up = up
            self._heard.up(up)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
