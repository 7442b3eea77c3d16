"""The bot's half of the queue, played by a test: publish, watch, cancel, fetch."""

from __future__ import annotations

import asyncio
import contextlib
import io
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

from compute.jobs.job import FINAL, PROTOCOL, BotInfo, Card, Job, JobState, schema_of
from compute.jobs.streams import ensure_lane, ensure_streams, ensure_worker_bucket
from compute.jobs.subjects import (
    CARD_BUCKET,
    INFO_BUCKET,
    INFO_KEY,
    STATE_BUCKET,
    STREAM,
    Timing,
    artefact_bucket,
    bell,
    cancel_subject,
    job_subject,
    state_key,
)
from tests.fakes.broker import Broker
from tests.fakes.worker_tools import load
from tests.fakes.workers import FAST

WAIT_S = 60.0
LOOK_S = 0.5


class BotHalf:
    """``states`` are all states seen, by job, in the order in which they were written."""

    def __init__(self, client: Client, timing: Timing) -> None:
        self.client = client
        self.js = client.jetstream()
        self.timing = timing
        self.states: dict[str, list[JobState]] = {}
        self.workers: tuple[str, ...] = ()
        self._news = asyncio.Condition()

    async def set_up(self, *workers: str, lanes: tuple[str, ...] = ("any",)) -> None:
        """Make everything and watch the states."""
        await ensure_streams(self.js, self.timing)
        for lane in lanes:
            await ensure_lane(self.js, lane, self.timing)
        for worker in workers:
            await ensure_worker_bucket(self.js, worker, self.timing)
        self.workers = workers
        await self.introduce(PROTOCOL)
        # Not a plain subscription: that one also hears what the stream then refuses to store.
        await self.js.subscribe(f"$KV.{STATE_BUCKET}.>", ordered_consumer=True, cb=self._saw)

    async def introduce(self, protocol: int) -> None:
        """Tell workers who we are."""
        info = BotInfo(protocol=protocol, version="test")
        subject = f"$KV.{INFO_BUCKET}.{INFO_KEY}"
        await self.js.publish(subject, info.model_dump_json().encode())

    async def _saw(self, message: Any) -> None:
        if message.headers and message.headers.get("KV-Operation"):
            return
        await self._add(JobState.model_validate_json(message.data))

    async def _add(self, state: JobState) -> None:
        async with self._news:
            if state not in self.states.setdefault(state.job, []):
                self.states[state.job].append(state)
                self._news.notify_all()

    def job(self, tool: str, request: dict[str, Any] | None = None, **fields: Any) -> Job:
        """A job as the bot would make it."""
        fields = {"lane": "any", "schema_id": schema_of(load("null")), **fields}
        job_id = secrets.token_urlsafe(16)
        return Job(id=job_id, tool=tool, request=request or {}, ticket=job_id[::-1], **fields)

    async def publish(self, job: Job, publication: int = 1) -> Job:
        """Store it, then ring."""
        headers = {"Nats-Msg-Id": f"{job.id}-{publication}"}
        data = job.model_dump_json().encode()
        await self.js.publish(job_subject(job.lane, job.id), data, headers=headers)
        await self.client.publish(bell(job.lane))
        return job

    async def ask(self, tool: str, request: dict[str, Any] | None = None, **fields: Any) -> Job:
        """Publish a new job."""
        return await self.publish(self.job(tool, request, **fields))

    async def seen(self, job: Job, wanted: Callable[[JobState], bool]) -> JobState:
        """The first state of ``job`` that is like that."""
        async with asyncio.timeout(WAIT_S):
            while True:
                async with self._news:
                    for state in self.states.get(job.id, []):
                        if wanted(state):
                            return state
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), LOOK_S)
                        continue
                await self._look(job)

    async def _look(self, job: Job) -> None:
        """Read what an outage may have swallowed."""
        for worker in self.workers:
            with contextlib.suppress(Error, TimeoutError):
                found = await self.js.get_msg(
                    f"KV_{STATE_BUCKET}",
                    subject=f"$KV.{STATE_BUCKET}.{state_key(worker, job.id)}",
                    direct=True,
                )
                if found.data:
                    await self._add(JobState.model_validate_json(found.data))

    async def started(self, job: Job, attempt: int = 1) -> JobState:
        """The first word on that attempt: its claim, or its end where that came so soon that the
        key, which holds one value, never showed the claim.
        """
        return await self.seen(job, lambda s: s.phase != "returned" and s.attempt == attempt)

    async def end(self, job: Job) -> JobState:
        """Its end."""
        return await self.seen(job, lambda state: state.phase in FINAL)

    async def ended(self, tool: str, request: dict[str, Any] | None = None, **k: Any) -> JobState:
        """Publish a job and wait for its end."""
        return await self.end(await self.ask(tool, request, **k))

    def ends(self, job: Job) -> list[JobState]:
        """All the ends that were ever written."""
        return [state for state in self.states.get(job.id, []) if state.phase in FINAL]

    async def cancel(self, job: Job, worker: str) -> JobState:
        """Ask until it has ended."""
        async with asyncio.timeout(WAIT_S):
            while not self.ends(job):
                await self.client.publish(cancel_subject(worker), job.id.encode())
                await asyncio.sleep(0.1)
        return self.ends(job)[0]

    async def queued(self) -> int:
        """Messages in the stream, running ones too."""
        return (await self.js.stream_info(STREAM)).state.messages

    async def empty(self) -> None:
        """Wait until nothing is in the queue."""
        async with asyncio.timeout(WAIT_S):
            while await self.queued():  # noqa: ASYNC110 -- the server sends no word of it
                await asyncio.sleep(0.02)

    async def card(self, worker: str) -> Card | None:
        """The worker's card, None where there is none."""
        try:
            found = await self.js.get_msg(
                f"KV_{CARD_BUCKET}", subject=f"$KV.{CARD_BUCKET}.{worker}", direct=True
            )
        except NotFoundError:
            return None
        return Card.model_validate_json(found.data) if found.data else None

    async def card_when(self, worker: str, wanted: Callable[[Card | None], bool]) -> Card | None:
        """The card once it is like that."""
        async with asyncio.timeout(WAIT_S):
            while not wanted(card := await self.card(worker)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return card

    async def fetch(self, worker: str, job: Job, name: str) -> bytes:
        """The bytes of an artefact."""
        store = await self.js.object_store(artefact_bucket(worker))
        into = io.BytesIO()
        await store.get(f"{job.id}/{name}", into)
        return into.getvalue()


@asynccontextmanager
async def bot_of(
    broker: Broker, *workers: str, timing: Timing = FAST, lanes: tuple[str, ...] = ("any",)
) -> AsyncIterator[BotHalf]:
    """Connected, with everything set up for ``workers``."""
    async with broker.client() as client:
        bot = BotHalf(client, timing)
        await bot.set_up(*workers, lanes=lanes)
        yield bot
