"""What the parts of the bot's queue share: the open runs, the workers, the tools, the tasks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from bot.jobs.counters import Counters
from bot.jobs.order import SHORT_S, Hand
from bot.jobs.presence import Presence
from bot.jobs.run import Ask, Run
from bot.store import Store
from compute.ending import end
from compute.jobs.job import schema_of
from compute.jobs.queue import Queue
from compute.jobs.subjects import Timing
from compute.tool import AnyTool

log = logging.getLogger(__name__)


class Desk:
    """One for the process. ``queue`` is set before anything else is called."""

    queue: Queue

    def __init__(self, store: Store, timing: Timing, clock: Callable[[], float]) -> None:
        self.store = store
        self.timing = timing
        self.clock = clock
        self.runs: dict[str, Run] = {}
        self.out: dict[str, Run] = {}  # those of them that are on the broker
        self.usual_s: dict[str, float] = {}  # lane -> run time, the last ones most
        self.run_of: dict[str, str] = {}  # result -> run, for asks that still wait
        self.tools: dict[str, AnyTool] = {}
        self.schemas: dict[str, str] = {}
        self.presence = Presence(timing, self.schemas, time.monotonic, clock)
        self.counters = Counters()
        self.on_answer: Callable[[], object] = lambda: None
        self._tasks: set[asyncio.Task[Any]] = set()

    def know(self, tool: AnyTool) -> str:
        """Remember ``tool``; the id of its schema."""
        if self.tools.get(tool.name) is not tool:
            self.tools[tool.name] = tool
            self.schemas[tool.name] = schema_of(tool)
        return self.schemas[tool.name]

    def add(self, run: Run) -> None:
        """``run`` is open."""
        self.runs[run.id] = run
        if run.published_at:
            self.out[run.id] = run
        for result_id in run.asks:
            self.run_of[result_id] = run.id

    def sent(self, run: Run, publication: int, at: float) -> None:
        """``run`` goes to the broker."""
        run.publication, run.published_at, run.confirmed = publication, at, False
        self.out[run.id] = run

    def back(self, run: Run, base: int) -> None:
        """``run`` waits in SQLite again, ``base`` attempts behind it."""
        run.requeued(base)
        self.out.pop(run.id, None)

    def add_ask(self, ask: Ask) -> None:
        """One more waits for a run; nothing to note when that is over."""
        if run := self.runs.get(ask.run_id):
            run.asks[ask.result_id] = ask
            self.run_of[ask.result_id] = run.id

    def drop_ask(self, result_id: str) -> None:
        """That one waits no longer."""
        run = self.runs.get(self.run_of.pop(result_id, ""))
        if run is not None:
            run.asks.pop(result_id, None)
            run.touch()

    def drop(self, run: Run) -> None:
        """``run`` is over, in SQLite already."""
        self.runs.pop(run.id, None)
        self.out.pop(run.id, None)
        for result_id in run.asks:
            self.run_of.pop(result_id, None)
        run.touch()

    def of_result(self, result_id: str) -> Run | None:
        """The open run that a result waits for."""
        return self.runs.get(self.run_of.get(result_id, ""))

    def running(self) -> dict[str, str]:
        """Worker -> the job it works on, as far as is known."""
        known = {name: job for name in self.presence.names() if (job := self.presence.job(name))}
        # A card is seconds old, a state is not: a job that ended here is no longer run there.
        busy = {name: job for name, job in known.items() if job not in self.counters.lately_ended}
        return busy | {run.worker: run.id for run in self.out.values() if self.occupies(run)}

    @staticmethod
    def occupies(run: Run) -> bool:
        """Whether a worker is busy with ``run``: what is settled is only being written down."""
        return run.state == "running" and not run.settled

    def hands(self) -> list[Hand]:
        """Who could take a job now."""
        return self.presence.hands(self.running()) if self.queue.up else []

    def took(self, lane: str, run_s: float) -> None:
        """A run of ``lane`` was done in ``run_s``."""
        usual_s = self.usual_s.setdefault(lane, run_s)
        self.usual_s[lane] = max(run_s / 2, usual_s + (run_s - usual_s) / 10)

    def short_lanes(self) -> frozenset[str]:
        """Those whose runs are over before we could send the next one."""
        return frozenset(lane for lane, s in self.usual_s.items() if s < SHORT_S)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work`` beside everything else; an error of it is in the log."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """End what is under way; whatever that was is done by the next start."""
        await end(*self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s failed", task.get_name(), exc_info=error)
