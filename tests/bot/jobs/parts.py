"""A small tool for workers, Jobs on a real store and broker, and a worker played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ObjectMeta, ObjectMetaOptions

from bot.jobs.service import Jobs
from bot.jobs.words import Allowance, Progress
from bot.results import Deleter, Results, StoredResult, new_result_id
from bot.store import FILE_NAME, Store
from compute.broker.access import Access
from compute.jobs.connection import connect
from compute.jobs.job import PROTOCOL, Card, Job, JobState, Machine, schema_of
from compute.jobs.streams import CHUNK_BYTES
from compute.jobs.subjects import (
    CARD_BUCKET,
    STATE_BUCKET,
    STREAM,
    Timing,
    artefact_bucket,
    cancel_subject,
    consumer_of,
    state_key,
)
from compute.tool import AnyTool, Context, Needs, Request, Result, Tool
from tests.fakes.broker import Broker
from tests.fakes.worker_tools import NAMES, Asked, load

SHORT = Timing(
    lease_s=1.5, poll_s=0.2, card_s=0.2, gone_s=1.5, progress_s=0.05, leash_s=0.6,
    artefact_ttl_s=60.0,
)  # fmt: skip
WAIT_S = 60.0
HOME = "1"
ANYWHERE = Needs()


class CountRequest(Request):
    """Count to a number."""

    number: int
    worker: str = ""


class CountResult(Result):
    """How far it got."""

    counted: int


async def count(request: CountRequest, ctx: Context) -> CountResult:
    """Counting is done by the test's own worker."""
    return CountResult(counted=request.number)


COUNT: AnyTool = Tool(
    name="count",
    title="Count",
    summary="Counts.",
    request=CountRequest,
    result=CountResult,
    run=count,
    needs=lambda request: Needs(),
)


# Those that real worker processes have, and the one that a test's puppet plays.
TOOLS = {name: load(name) for name in NAMES} | {"count": COUNT}


@dataclass
class OpenPolicy:
    """Whatever the test allows."""

    per_hour: int = 100_000
    at_once: int = 100_000
    firsts: set[str] = field(default_factory=set)

    def allowance(self, row: StoredResult, roles: tuple[str, ...]) -> Allowance:
        """The same for everybody, but who is among ``firsts`` goes first."""
        return Allowance(self.per_hour, self.at_once, first=row.user_id in self.firsts)


def row_of(user: str = "7", door: Any = "discord", **more: Any) -> StoredResult:
    """What a runner would keep of one question."""
    now = time.time()
    values = {
        "id": new_result_id(), "tool": "count", "inputs": {"number": 3}, "request": {"number": 3},
        "result": None, "refusal": None, "door": door, "user_id": user, "guild_id": HOME,
        "channel_id": "5", "created_at": now, "expires_at": now + 3600,
    }  # fmt: skip
    return StoredResult(**(values | more))


class Bot:
    """One life of the bot's side of the queue, on a store that outlives it."""

    def __init__(self, folder: Path, timing: Timing = SHORT) -> None:
        self.folder = folder
        self.timing = timing
        self.policy = OpenPolicy()
        self.share_s = 0.0
        self.store: Store
        self.results: Results
        self.jobs: Jobs
        self._number = 0

    async def start(self, access: Access) -> None:
        """Open the store and begin to connect."""
        self.store = await Store.open(self.folder / FILE_NAME)
        self.results = Results(self.store)
        self.jobs = Jobs(
            self.store, self.policy, data_dir=self.folder, tools=TOOLS.values(),
            share_s=self.share_s,
            version="test", timing=self.timing,
        )  # fmt: skip
        await self.jobs.start(access)

    async def stop(self) -> None:
        """End it as the app does."""
        await self.jobs.close()
        await self.store.close()

    async def ask(
        self, user: str = "7", number: int | None = None, needs: Needs = ANYWHERE, **more: Any
    ) -> str:
        """Submit a request of its own number; the result's id."""
        self._number += 1
        row = row_of(user, **more)
        request = CountRequest(number=number if number is not None else self._number)
        await self.jobs.submit(row, COUNT, request, needs)
        return row.id

    async def run(self, tool: str, user: str = "7", needs: Needs = ANYWHERE, **asked: Any) -> str:
        """Submit a run of a tool that worker processes have; the result's id."""
        row = row_of(user, tool=tool, request=asked, inputs=asked)
        await self.jobs.submit(row, TOOLS[tool], Asked(**asked), needs)
        return row.id

    async def progress(self, result_id: str) -> Progress:
        """As the doors read it."""
        progress = await self.jobs.progress(result_id)
        assert progress is not None
        return progress

    async def until(self, result_id: str, state: str) -> Progress:
        """Wait for that state."""
        async with asyncio.timeout(WAIT_S):
            while (progress := await self.progress(result_id)).state != state:
                assert not progress.ended, progress
                await asyncio.sleep(0.01)
        return progress

    async def rows(self, sql: str, *values: object) -> list[Any]:
        """What the database has."""
        return await self.store.read(lambda db: db.conn.execute(sql, list(values)).fetchall())

    async def answers(self) -> list[str]:
        """The results that the outbox is to deliver, in the order of their endings."""
        sql = "SELECT payload FROM outbox WHERE kind = 'discord.answer' ORDER BY rowid"
        return [json.loads(row[0])["result_id"] for row in await self.rows(sql)]

    async def cancel(self, result_id: str, user: str = "7") -> str:
        """As its asker."""
        return await self.jobs.cancel(result_id, Deleter(user_id=user))


@asynccontextmanager
async def running_bot(broker: Broker, folder: Path, timing: Timing = SHORT) -> AsyncIterator[Bot]:
    """A bot that is connected."""
    bot = Bot(folder, timing)
    await bot.start(broker.bot)
    try:
        await until(lambda: bool(bot.jobs.counters()["queue_up"]))
        yield bot
    finally:
        await bot.stop()


async def until(condition: Callable[[], bool], within_s: float = WAIT_S) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 -- what it looks at has no event
            await asyncio.sleep(0.01)


async def messages(broker: Broker, stream: str = "JOBS") -> int:
    """How many a stream holds."""
    async with broker.client() as client:
        return int((await client.jetstream().stream_info(stream)).state.messages)


async def until_holds(broker: Broker, stream: str, most: int = 0) -> None:
    """Wait until a stream holds no more than ``most`` messages."""
    async with asyncio.timeout(WAIT_S):
        while await messages(broker, stream) > most:  # noqa: ASYNC110 -- the server says nothing
            await asyncio.sleep(0.02)


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
        self._showing.cancel()
        await asyncio.gather(self._showing, return_exceptions=True)

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
