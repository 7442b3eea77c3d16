"""Runs on workers, for every door: ask, watch, cancel, and read what came of it.

SQLite is the record of truth. What is asked is on disk before it is confirmed; what a worker says
is judged (``merge``), recorded once (``finish``) and compared again and again (``recover``).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.jobs import ledger, tell
from bot.jobs.cancel import Canceller
from bot.jobs.desk import Desk
from bot.jobs.dispatch import Dispatcher
from bot.jobs.files import Files
from bot.jobs.finish import Finisher
from bot.jobs.listen import Listener
from bot.jobs.policy import over_limit
from bot.jobs.recover import Auditor
from bot.jobs.share import Shared, find_shared
from bot.jobs.wish import Wish, wish_of, write_wish
from bot.jobs.words import (
    AskedRun,
    Cancelled,
    Delivery,
    File,
    Policy,
    Progress,
    WorkerLine,
)
from bot.results import Deleter, StoredResult
from bot.store import Store
from compute.jobs.job import PROTOCOL, BotInfo
from compute.jobs.queue import Heard, Queue
from compute.jobs.subjects import Timing
from compute.tool import AnyTool, Needs, Refused, Request

if TYPE_CHECKING:
    from sqlite_utils import Database

    from compute.broker.access import Access

EVERY_S = 1.0  # a watcher hears at most that often, but of the end at once
DAY_S = 86_400.0


class Jobs:
    """One for the process; ``start`` connects, and works without a broker until there is one.

    ``tools`` are those whose runs an earlier process may have left; ``version`` is what workers
    are told; ``on_answer`` is called when the outbox has something new.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        data_dir: Path,
        tools: Iterable[AnyTool] = (),
        share_s: float = 600.0,
        version: str = "",
        timing: Timing | None = None,
        clock: Callable[[], float] = time.time,
        on_answer: Callable[[], object] = lambda: None,
    ) -> None:
        timing = timing or Timing()
        self._store = store
        self._policy = policy
        self._share_s = share_s
        self._clock = clock
        self._files = Files(data_dir)
        self._desk = desk = Desk(store, timing, clock)
        desk.on_answer = on_answer
        for tool in tools:
            desk.know(tool)
        self._dispatcher = Dispatcher(desk)
        self._finisher = Finisher(desk, self._dispatcher, self._files)
        self._listener = Listener(desk, self._dispatcher, self._finisher)
        self._canceller = Canceller(desk, self._dispatcher, self._finisher)
        self._auditor = Auditor(desk, self._dispatcher, self._finisher, self._listener)
        self._outlook = tell.Outlook(desk)
        heard = Heard(self._listener.on_state, self._listener.on_card, self._on_queue)
        desk.queue = Queue(heard, BotInfo(protocol=PROTOCOL, version=version[:40]), timing)

    async def start(self, access: Access) -> None:
        """Take up what is not over, and connect; a broker that is away is waited for."""
        for run in await self._store.read(ledger.open_runs):
            self._desk.add(run)
        self._desk.queue.open(access)
        self._desk.spawn(self._auditor.run(), "audit of the queue")
        self._desk.spawn(self._finisher.tidy(), "tidying of the queue")

    async def close(self) -> None:
        """Stop; workers go on, and the next start hears what they did."""
        await self._desk.close()
        await self._desk.queue.close()

    async def submit(
        self,
        row: StoredResult,
        tool: AnyTool,
        request: Request,
        needs: Needs,
        roles: tuple[str, ...] = (),
    ) -> Progress:
        """Keep ``row`` and have ``request`` run; an identical run that is asked for or was just
        done is shared, and may be over at once (its answer is delivered like any other).

        Raises ``Refused`` with a sentence: limits, no such machine, a request that is too large.
        """
        allowance = self._policy.allowance(row, roles)
        if allowance.refusal:
            raise Refused(allowance.refusal)
        wish = wish_of(self._desk, row, tool, request, needs, first=allowance.first)
        share = self._share_s > 0 and needs.shared
        since = wish.run.created_at - self._share_s if share else float("inf")

        def change(db: Database) -> tuple[str, Shared | None]:
            if sentence := over_limit(db, wish.ask.asker, allowance, wish.run.created_at):
                return sentence, None
            return "", write_wish(db, wish, find_shared(db, wish.key, since))

        sentence, shared = await self._dispatcher.change(
            change, lambda told: self._note(wish, told)
        )
        if sentence:
            raise Refused(sentence)
        if shared is not None and shared.result is not None:
            self._desk.on_answer()
        progress = await self.progress(row.id)
        assert progress is not None
        return progress

    async def progress(self, result_id: str) -> Progress | None:
        """How far the run of that result is; None when it has none."""
        run = self._desk.of_result(result_id)
        if run is not None:
            await self._outlook.refresh()
        run = self._desk.of_result(result_id)  # it may have ended meanwhile
        if run is not None and (ask := run.asks.get(result_id)):
            return self._outlook.progress(run, result_id, ask.asked_at)
        return await self._store.read(lambda db: tell.ended_progress(db, result_id))

    async def watch(self, result_id: str) -> AsyncIterator[Progress]:
        """Every change of the progress, at most one a second, and the end at once; then it stops.

        Nothing comes for a result without a run.
        """
        told: Progress | None = None
        while (progress := await self.progress(result_id)) is not None:
            if progress != told:
                told = progress
                yield progress
            if progress.ended:
                return
            await self._change_of(result_id)

    async def cancel(self, result_id: str, by: Deleter) -> Cancelled:
        """Cancel what ``result_id`` waits for, if ``by`` may.

        ``cancelled``: it is over for them (others who share the run still get it);
        ``cancelling``: its worker is told to stop, ``watch`` says when it has.
        """
        return await self._canceller.cancel(result_id, by)

    async def forget(self, result_id: str) -> None:
        """A result was deleted: nothing waits for its run any more."""
        await self._canceller.give_up(result_id)

    async def delivered(self, result_id: str, delivery: Delivery) -> None:
        """Keep where the answer went, for /jobs."""
        await self._store.write(lambda db: ledger.delivered(db, result_id, delivery))

    async def of_user(self, user_id: str, limit: int = 10) -> list[AskedRun]:
        """The last runs of a member of Discord, newest first."""
        runs = await self._store.read(lambda db: tell.asked_runs(db, user_id, limit))
        return [run if over else await self._with_progress(run) for run, over in runs]

    async def files(self, result_id: str) -> list[File]:
        """The files that belong to a result, by name."""
        return await self._store.read(lambda db: ledger.files_of(db, result_id))

    def path_of(self, sha256: str) -> Path:
        """Where the content of a file is. Raises ``ValueError`` for what is no hash."""
        return self._files.path_of(sha256)

    async def purge(self, now: float) -> int:
        """Remove runs whose results are all gone, and files that no run has; how many runs."""
        await self._cancel_orphans()
        removed = await self._store.write(lambda db: ledger.purge(db, now))
        await self._files.expire(await self._store.read(ledger.kept_files))
        self._desk.presence.forget_long_gone(DAY_S)
        return removed

    def workers(self) -> list[WorkerLine]:
        """Every worker that was seen since the start, by name."""
        return self._desk.presence.lines({run.id: run.tool for run in self._desk.runs.values()})

    @property
    def queue_up(self) -> bool:
        """Whether the broker answers."""
        return self._desk.queue.up

    def counters(self) -> Mapping[str, Any]:
        """For /metrics: depth by lane, workers, waits and run times, ends by cause."""
        desk, counts = self._desk, self._desk.counters
        runs = list(desk.runs.values())
        return {
            "queue_up": desk.queue.up,
            "queued": Counter(run.lane for run in runs if run.state == "queued"),
            "running": Counter(run.lane for run in runs if run.state == "running"),
            "workers_online": sum(map(desk.presence.online, desk.presence.names())),
            "waits": counts.waits,
            "run_times": counts.runs,
            "ended": counts.ended,
            "shared": counts.shared,
            "resubmitted": counts.resubmitted,
            "disbelieved": counts.disbelieved,
        }

    def _note(self, wish: Wish, told: tuple[str, Shared | None]) -> None:
        """Bring the memory in line with what a submission wrote."""
        sentence, shared = told
        if sentence:
            return
        if shared is None:
            wish.run.asks[wish.row.id] = wish.ask
            self._desk.add(wish.run)
            return
        self._desk.counters.shared += 1
        if shared.result is None:
            self._desk.add_ask(replace(wish.ask, run_id=shared.run_id))

    async def _change_of(self, result_id: str) -> None:
        """Return after a second, or at once when the run is over."""
        run = self._desk.of_result(result_id)
        if run is None:
            return
        event = asyncio.Event()
        run.watchers.add(event)
        until = asyncio.get_running_loop().time() + EVERY_S
        try:
            while self._desk.of_result(result_id) is run:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await event.wait()
                event.clear()
                if asyncio.get_running_loop().time() >= until:
                    return
        finally:
            run.watchers.discard(event)

    async def _with_progress(self, asked: AskedRun) -> AskedRun:
        progress = await self.progress(asked.progress.result_id)
        return replace(asked, progress=progress) if progress is not None else asked

    async def _cancel_orphans(self) -> None:
        """Open asks whose results were deleted without a word to us."""
        for result_id in await self._store.read(ledger.orphans):
            await self._canceller.give_up(result_id)

    def _on_queue(self, up: bool) -> None:
        for run in self._desk.runs.values():
            run.touch()
        if up:
            self._dispatcher.look()
