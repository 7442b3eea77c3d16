"""What the bot does with what it hears from the broker: states of jobs and cards of workers."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from bot.jobs import ledger, merge
from bot.jobs.desk import Desk
from bot.jobs.dispatch import Dispatcher, withdraw
from bot.jobs.finish import Finisher, cancelled
from bot.jobs.run import Run
from compute.jobs.job import JobState
from compute.jobs.queue import QueueDown

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

JOB = re.compile(r"[A-Za-z0-9_-]{22}")
WORKER = re.compile(r"[a-z][a-z0-9-]{0,30}")
# An outdated or busy worker gave it back: the pause before it goes out again, then twice that...
RETURN_PAUSE_S, LONGEST_RETURN_PAUSE_S = 0.5, 30.0


class Listener:
    """Its methods are called on the event loop and begin work without waiting for it."""

    def __init__(self, desk: Desk, dispatcher: Dispatcher, finisher: Finisher) -> None:
        self._desk = desk
        self._dispatcher = dispatcher
        self._finisher = finisher
        self._clearing: dict[tuple[str, str], bytes] = {}  # the newest state of each

    def on_card(self, worker: str, raw: bytes | None, age_s: float) -> None:
        """A worker's card came, or was taken away."""
        desk = self._desk
        if not WORKER.fullmatch(worker):
            return
        if raw is None:
            desk.presence.leave(worker)
        elif not desk.presence.take(worker, raw, age_s):
            log.warning("what worker %s says of itself is not believed", worker)
            return
        if desk.presence.online(worker) and not desk.queue.has_store(worker):
            desk.spawn(self._welcome(worker), f"welcome {worker}")
        self._dispatcher.look()

    def on_state(self, worker: str, job: str, raw: bytes) -> None:
        """A worker said something of a job."""
        if not (WORKER.fullmatch(worker) and JOB.fullmatch(job)):
            return
        run = self._desk.runs.get(job)
        if run is None:
            self._clear(worker, job, raw)
            return
        try:
            state = merge.read_state(worker, job, raw)
            meaning = merge.judge(run, state, self._desk.presence.lanes(worker))
        except merge.Disbelieved as reason:
            self._desk.counters.disbelieved[worker] += 1
            log.warning("worker %s on job %s is not believed: %s", worker, job, reason)
            return
        if meaning in ("claim", "progress"):
            self._follow(run, state, new=meaning == "claim")
        elif meaning == "final":
            self._own(run, state)
            self._finisher.settle(run, state, len(raw))
        elif meaning == "returned":
            run.settled = True
            self._desk.spawn(self._take_back(run, state), f"take back {job}")

    def _follow(self, run: Run, state: JobState, *, new: bool) -> None:
        """How far it is; for a new attempt also who owns it from now on."""
        if new:
            self._own(run, state)
            self._desk.spawn(self._keep_claim(run, state), f"claim of {run.id}")
            if run.cancelling:
                self._desk.spawn(tell_to_stop(self._desk, run), f"cancel {run.id}")
        run.fraction = state.fraction
        run.words = state.words
        if state.partial is not None:
            run.partial = self._checked(run.tool, state.partial)
        run.touch()

    def _own(self, run: Run, state: JobState) -> None:
        if state.attempt <= run.attempt:
            return
        now = self._desk.clock()
        if not run.attempt:
            self._desk.counters.started(run.tool, now - run.created_at)
        # By the worker's clock only a difference of times means anything.
        since = now - max(state.updated_at - state.started_at, 0.0)
        run.claimed(state.attempt, state.worker, self._desk.presence.machine(state.worker), since)

    async def _keep_claim(self, run: Run, state: JobState) -> None:
        machine, since = run.machine, run.started_at

        def change(db: Database) -> None:
            ledger.claim(db, run.id, state.attempt, state.worker, machine, since)

        await self._dispatcher.change(change)

    async def _take_back(self, run: Run, state: JobState) -> None:
        try:
            await self._returned(run, state)
        except BaseException:
            run.settled = False  # the audit finds it without a message
            raise

    async def _returned(self, run: Run, state: JobState) -> None:
        """Queue it again; being given back undone is no attempt."""
        desk, base = self._desk, merge.base_after_return(run, state)
        log.info("worker %s gave job %s back (%s)", state.worker, run.id, state.cause)
        await withdraw(desk, run.lane, run.id)
        try:
            await desk.queue.forget(state.worker, run.id)
        except QueueDown:
            log.info("job %s: an old state stays for now", run.id)
        if run.cancelling:
            await self._finisher.end(run, cancelled(desk.clock()))
            return
        pause = min(RETURN_PAUSE_S * 2**run.returned, LONGEST_RETURN_PAUSE_S)
        not_before = desk.clock() + pause

        def change(db: Database) -> bool:
            return ledger.requeue(db, run.id, base, returned=True, not_before=not_before)

        def then(queued: bool) -> None:
            run.settled = False
            if queued:
                run.returned += 1
                desk.back(run, base)

        await self._dispatcher.change(change, then)

    async def _welcome(self, worker: str) -> None:
        """A worker needs a place for its files; a broker that came back may not have it."""
        try:
            await self._desk.queue.make_store(worker)
        except QueueDown as error:
            log.info("no store for %s yet: %s", worker, error)

    def _clear(self, worker: str, job: str, raw: bytes) -> None:
        """A state of a job that is over: whoever still runs it stops, then the state goes."""
        busy = (worker, job) in self._clearing
        self._clearing[worker, job] = raw
        if not busy:
            self._desk.spawn(self._sweep(worker, job), f"sweep {job}")

    async def _sweep(self, worker: str, job: str) -> None:
        """Until nothing newer came meanwhile."""
        queue, done = self._desk.queue, b""
        try:
            while (raw := self._clearing[worker, job]) is not done:
                runs = b'"running"' in raw
                if runs:
                    await queue.cancel(worker, job)
                if not runs or self._desk.presence.job(worker) != job:
                    await queue.forget(worker, job)
                done = raw
        except QueueDown as error:
            log.info("an old state of job %s stays for now: %s", job, error)
        finally:
            del self._clearing[worker, job]

    def _checked(self, name: str, partial: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
        """A partial result, when the tool knows such a thing."""
        tool = self._desk.tools.get(name)
        try:
            return tool.result.model_validate(partial).model_dump(mode="json") if tool else None
        except ValidationError:
            return None


async def tell_to_stop(desk: Desk, run: Run) -> None:
    """One word to the worker that owns ``run``; the audit repeats it."""
    try:
        await desk.queue.cancel(run.worker, run.id)
    except QueueDown as error:
        log.info("worker %s cannot be told to stop %s yet: %s", run.worker, run.id, error)
