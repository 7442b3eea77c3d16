"""A small tool for workers, Jobs on a real store and broker, and a worker played by the test."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.jobs.service import Jobs
from bot.jobs.words import Allowance, Progress
from bot.results import Deleter, Results, StoredResult, new_result_id
from bot.store import FILE_NAME, Store
from compute.broker.access import Access
from compute.jobs.subjects import (
    Timing,
)
from compute.tool import AnyTool, Context, Needs, Request, Result, Tool
from tests.fakes.broker import Broker
from tests.fakes.worker_tools import NAMES, Asked, load

SHORT = Timing(
    lease_s=1.5, poll_s=0.2, card_s=0.2, gone_s=1.5, progress_s=0.05, leash_s=0.6,
    artefact_ttl_s=60.0,
)  # fmt: skip
IMPATIENT = replace(SHORT, patience_s=2.0)  # elsewhere a busy machine must not use it up
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
