"""Jobs without broker or worker: a test says what happens to each run.

It outlives a bot, as broker and database do; ``connect`` gives it the next bot's store.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlite_utils import Database

from bot.jobs.words import AskedRun, Cancelled, Delivery, Progress, WorkerLine
from bot.outbox import Effect, enqueue
from bot.results import Deleter, StoredResult, add_row
from bot.store import Store
from compute.tool import AnyTool, Needs, Refusal, Refused, Request, Result

ANSWER = "UPDATE results SET result = ?, refusal = ? WHERE id = ?"


@dataclass
class FakeRun:
    """One run; ``events`` are set at each change."""

    row: StoredResult
    progress: Progress
    delivery: Delivery = ""
    roles: tuple[str, ...] = ()
    events: set[asyncio.Event] = field(default_factory=set)


class FakeJobs:
    """Implements ``bot.jobs.words.Runs``. ``refuse`` is said to whoever asks for a run."""

    def __init__(self) -> None:
        self.runs: dict[str, FakeRun] = {}
        self.refuse = ""
        self.lines: list[WorkerLine] = []
        self._store: Store | None = None
        self._wake: Callable[[], None] = lambda: None
        self.on_submit: Callable[[str], Any] | None = None

    def connect(self, store: Store, wake: Callable[[], None]) -> None:
        """From now on this is the bot's database; ``wake`` tells its outbox of new effects."""
        self._store, self._wake = store, wake

    @property
    def newest(self) -> FakeRun:
        """The run that was asked for last."""
        return next(reversed(self.runs.values()))

    @property
    def store(self) -> Store:
        """The bot's database."""
        assert self._store is not None
        return self._store

    async def submit(
        self,
        row: StoredResult,
        tool: AnyTool,
        request: Request,
        needs: Needs,
        roles: tuple[str, ...] = (),
    ) -> Progress:
        """Queue it behind the others."""
        if self.refuse:
            raise Refused(self.refuse)
        await self.store.write(lambda db: add_row(db, row))
        place = 1 + sum(run.progress.state == "queued" for run in self.runs.values())
        progress = Progress(row.id, tool.name, "queued", place=place, asked_at=row.created_at)
        self.runs[row.id] = FakeRun(row, progress, roles=roles)
        if self.on_submit is not None:
            await self.on_submit(row.id)
        return self.runs[row.id].progress

    async def progress(self, result_id: str) -> Progress | None:
        """How far it is."""
        run = self.runs.get(result_id)
        return run.progress if run is not None else None

    async def watch(self, result_id: str) -> AsyncIterator[Progress]:
        """Each change and the end."""
        run = self.runs[result_id]
        event = asyncio.Event()
        run.events.add(event)
        try:
            while True:
                event.clear()
                told = run.progress
                yield told
                if told.ended:
                    return
                await event.wait()
        finally:
            run.events.discard(event)

    async def cancel(self, result_id: str, by: Deleter) -> Cancelled:
        """A queued run ends at once; a running one when the test says so."""
        run = self.runs.get(result_id)
        if run is None:
            return "unknown"
        if by.user_id != run.row.user_id and not by.moderator:
            return "not yours"
        if run.progress.ended:
            return "ended"
        if run.progress.state == "running":
            return "cancelling"
        refusal = Refusal(message="Cancelled.")
        await self.end(result_id, "cancelled", refusal=refusal, deliver=False)
        return "cancelled"

    async def forget(self, result_id: str) -> None:
        """Its run is over, if it has one."""
        self.runs.pop(result_id, None)

    async def delivered(self, result_id: str, delivery: Delivery) -> None:
        """Keep it."""
        self.runs[result_id].delivery = delivery

    async def of_user(self, user_id: str, limit: int = 10) -> list[AskedRun]:
        """The newest first."""
        mine = [run for run in self.runs.values() if run.row.user_id == user_id]
        return [
            AskedRun(run.progress, run.row.inputs, None, run.delivery) for run in mine[::-1][:limit]
        ]

    def workers(self) -> list[WorkerLine]:
        """What the test put there."""
        return self.lines

    def report(self, result_id: str, **what: Any) -> None:
        """Its progress from now on."""
        run = self.runs[result_id]
        run.progress = replace(run.progress, **what)
        for event in run.events:
            event.set()

    async def end(
        self, result_id: str, state: Any = "done", *, result: Result | None = None,
        refusal: Refusal | None = None, deliver: bool = True,
    ) -> None:  # fmt: skip
        """The answer and its delivery in one change, then the end for whoever watches."""
        values = [
            json.dumps(result.model_dump(mode="json")) if result is not None else None,
            refusal.model_dump_json() if refusal is not None else None,
            result_id,
        ]

        def change(db: Database) -> None:
            db.conn.execute(ANSWER, values)
            if deliver:
                enqueue(db, Effect(f"answer:{result_id}", "discord.answer", {"run_id": "1"}))

        await self.store.write(change)
        self.report(result_id, state=state, place=0)
        self._wake()
