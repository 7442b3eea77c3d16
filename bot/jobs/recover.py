"""What the broker has against what SQLite says, again and again: nothing is lost, nothing stays.

A broker may come back without what it knew, a message may never be delivered again, a worker may
vanish after its last word. SQLite is right; the broker is brought in line with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from bot.jobs import ledger
from bot.jobs.desk import Desk
from bot.jobs.dispatch import Dispatcher, withdraw
from bot.jobs.finish import LOST, Finisher, cancelled, failed
from bot.jobs.listen import Listener, tell_to_stop
from bot.jobs.run import Run
from compute.jobs.job import MAX_ATTEMPTS
from compute.jobs.queue import QueueDown
from compute.jobs.streams import DUPLICATE_S

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

REPEAT_S = 1.0  # between two words to a worker that is to stop


class Auditor:
    """Runs beside everything else until cancelled."""

    def __init__(
        self, desk: Desk, dispatcher: Dispatcher, finisher: Finisher, listener: Listener
    ) -> None:
        self._desk = desk
        self._dispatcher = dispatcher
        self._finisher = finisher
        self._listener = listener
        self._idle_since: dict[tuple[str, int], float] = {}  # by run and publication
        self._told_since: dict[str, float] = {}  # runs whose workers are told to stop

    async def run(self) -> None:
        """Compare every fifth of a lease, so that a leftover goes before it is delivered again."""
        every_s = min(self._desk.timing.renew_s, REPEAT_S)
        compared = float("-inf")
        while True:
            await asyncio.sleep(every_s)
            try:
                self._dispatcher.look()
                await self._stop_cancelled()
                await self._stop_unwanted()
                if time.monotonic() - compared >= self._desk.timing.renew_s:
                    compared = time.monotonic()
                    await self.compare()
            except QueueDown as error:
                log.info("the queue cannot be compared: %s", error)
            except Exception:
                log.exception("the comparison of queue and database failed")

    async def compare(self) -> None:
        """One look at everything."""
        desk = self._desk
        if not desk.queue.up:
            self._idle_since.clear()
            return
        open_before = set(desk.runs)
        present = await desk.queue.present()
        out = {(run.id, run.publication) for run in desk.out.values()}
        self._idle_since = {one: at for one, at in self._idle_since.items() if one in out}
        for job, lane in present.items():
            # A run that was opened while the broker answered is none of the leftovers.
            if job not in desk.runs and not self._opened(job, open_before):
                await withdraw(desk, lane, job)
        for run in [run for run in desk.out.values() if not run.settled and not run.sending]:
            if run.id not in open_before:
                continue
            if run.id in present:
                run.confirmed, run.missing_since = True, 0.0
                await self._check_idle(run)
            else:
                await self._check_missing(run)

    async def _stop_cancelled(self) -> None:
        desk, now = self._desk, time.monotonic()
        told = [run for run in desk.out.values() if run.cancelling and not run.settled]
        self._told_since = {run.id: self._told_since.get(run.id, now) for run in told}
        for run in told:
            deaf = now - self._told_since[run.id] > desk.timing.patience_s
            if desk.presence.online(run.worker):
                await tell_to_stop(desk, run)
                if not deaf:
                    continue
            # Its worker is gone, or does as it likes, and no other will get it: there is nobody
            # to wait for.
            if desk.queue.up and await withdraw(desk, run.lane, run.id):
                await self._finisher.end(run, cancelled(desk.clock()))

    async def _stop_unwanted(self) -> None:
        """A run that ended before its worker claimed it: one word to stop it may be lost, and
        the worker would be busy with it for up to its whole time limit.
        """
        desk = self._desk
        if not desk.queue.up:
            return
        for worker in desk.presence.names():
            job = desk.presence.job(worker)
            if job and job not in desk.runs:
                await desk.queue.cancel(worker, job)

    async def _check_missing(self, run: Run) -> None:
        """There is no message: it was never stored, its last word is on the way, or it is lost."""
        if await self._heard_after_all(run):
            return
        now, desk = time.monotonic(), self._desk
        claimed = run.attempt > run.base
        if claimed and desk.presence.job(run.worker) == run.id:
            # To a worker the server goes on confirming a lease that no longer has a message, so
            # it works on: its end counts all the same, and beside it nobody may start.
            run.missing_since = 0.0
            return
        fresh = desk.clock() - run.published_at < DUPLICATE_S / 2
        if not claimed and not run.confirmed and fresh:
            await self._dispatcher.again(run)  # stored once however often it is sent
            return
        run.missing_since = run.missing_since or now
        # Whoever may still work on it is out of reach, and so ends itself within a lease.
        if now - run.missing_since >= desk.timing.lease_s:
            await self._resubmit(run, "the broker no longer has it")

    async def _check_idle(self, run: Run) -> None:
        """There is a message, but does anybody get it who could?"""
        desk, now = self._desk, time.monotonic()
        worked_on = desk.presence.job(run.worker) == run.id if run.worker else False
        idle = not worked_on and any(h.free and h.serves(run.kind) for h in desk.hands())
        if not idle:
            self._idle_since.pop((run.id, run.publication), None)
            return
        since = self._idle_since.setdefault((run.id, run.publication), now)
        if now - since >= desk.timing.patience_s and not await self._heard_after_all(run):
            await withdraw(desk, run.lane, run.id)
            await self._resubmit(run, "no worker gets it although one is free")

    async def _heard_after_all(self, run: Run) -> bool:
        """Whether the broker holds a last word that has not come to us."""
        said = await self._desk.queue.last_state(run.id)
        if said is not None and self._desk.runs.get(run.id) is run:
            self._listener.on_state(said[0], run.id, said[1])
        return run.settled or self._desk.runs.get(run.id) is not run

    async def _resubmit(self, run: Run, why: str) -> None:
        desk, base = self._desk, run.attempt
        log.warning("job %s: %s", run.id, why)
        if run.cancelling:
            await self._finisher.end(run, cancelled(desk.clock()))
        elif base >= MAX_ATTEMPTS:
            await self._finisher.end(run, failed("lost", LOST, desk.clock()))
        else:
            await desk.queue.forget("*", run.id)
            if run.settled:
                return  # its last word came meanwhile
            desk.counters.resubmitted += 1

            def change(db: Database) -> bool:
                return ledger.requeue(db, run.id, base)

            with run.settling():
                await self._dispatcher.change(change, lambda done: self._back(run, base, done))

    def _back(self, run: Run, base: int, done: bool) -> None:
        run.settled = False
        if done:
            self._desk.back(run, base)

    def _opened(self, job: str, before: set[str]) -> bool:
        """Whether ``job`` was open when the comparison began: it has just ended, its message may
        be acknowledged a moment later, and the next comparison will see.
        """
        return job in before
