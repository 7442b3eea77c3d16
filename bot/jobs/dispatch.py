"""What goes to the broker: taken in the transaction that makes room for it, published after it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from bot.jobs import order
from bot.jobs.desk import Desk
from bot.jobs.run import Run
from compute.jobs.job import Job
from compute.jobs.queue import QueueDown

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

RETRY_S = 0.5
RING_AGAIN_S = (0.05, 0.2, 0.5)

T = TypeVar("T")


def _nothing(_: object) -> None:
    """Most changes concern SQLite alone."""


class Dispatcher:
    """Makes every change of runs, so that none is made without looking who can go next."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._looking = False

    async def change(
        self, work: Callable[[Database], T], then: Callable[[T], object] = _nothing
    ) -> T:
        """Make a change and take what may go to the broker, in one transaction.

        ``then`` brings the memory in line before anything is published. Both happen even when who
        waits for it gives up.
        """
        return await asyncio.shield(self._desk.spawn(self._change(work, then), "change of runs"))

    def look(self) -> None:
        """Something may have changed outside: a worker came, a pause is over."""
        waits = len(self._desk.runs) > len(self._desk.out)
        if waits and self._desk.queue.up and not self._looking:
            self._looking = True
            self._desk.spawn(self._look(), "dispatch")

    async def again(self, run: Run) -> None:
        """Publish the last publication of ``run`` once more; it may never have arrived."""
        rows = await self._desk.store.read(lambda db: order.taken(db, run.id))
        for item in rows:
            # It may have been given back, or gone out anew, before this answer came.
            if run.publication == item.publication and run.published_at and not run.settled:
                self._send(item)

    async def _look(self) -> None:
        self._looking = False
        await self._change(_nothing, _nothing)

    async def _change(self, work: Callable[[Database], T], then: Callable[[T], object]) -> T:
        hands, short, now = self._desk.hands(), self._desk.short_lanes(), self._desk.clock()

        def both(db: Database) -> tuple[T, list[order.Taken]]:
            value = work(db)
            return value, order.take(db, hands, now, short)

        value, taken = await self._desk.store.write(both)
        then(value)
        for item in taken:
            self._send(item, now)
        return value

    def _send(self, item: order.Taken, at: float | None = None) -> None:
        run = self._desk.runs.get(item.run_id)
        if run is None or (run.publication == item.publication and at is not None):
            return
        self._desk.sent(run, item.publication, run.published_at if at is None else at)
        job = Job(
            id=item.run_id,
            tool=item.tool,
            schema_id=item.schema_id,
            request=json.loads(item.request),
            lane=item.lane,
            ticket=item.ticket,
            base=item.base,
            host_gib=item.host_gib,
            limit_s=item.limit_s,
        )
        run.sending = True
        self._desk.spawn(self._publish(run, job, item.publication), f"publish {job.id}")

    async def _publish(self, run: Run, job: Job, publication: int) -> None:
        """Until the broker has it, or nobody wants it any more; what fails the audit repeats."""
        desk = self._desk
        try:
            await self._deliver(run, job, publication)
        finally:
            run.sending = False
        if desk.runs.get(run.id) is not run:  # it was cancelled while it was on its way
            await withdraw(desk, job.lane, job.id)
            return
        await self._ring_again(run, publication)

    async def _deliver(self, run: Run, job: Job, publication: int) -> None:
        desk, tried = self._desk, False
        while desk.runs.get(run.id) is run and run.publication == publication and not run.settled:
            try:
                if not tried or not await self._arrived(job):
                    tried = True
                    await desk.queue.publish(job, publication)
                run.confirmed = True
                break
            except QueueDown as error:
                log.info("job %s is not published yet: %s", job.id, error)
                await asyncio.sleep(RETRY_S)

    async def _ring_again(self, run: Run, publication: int) -> None:
        """Until it is claimed: under load one look in a hundred came too early, and the workers'
        own next look is 2 s away.
        """
        for pause_s in RING_AGAIN_S:
            await asyncio.sleep(pause_s)
            current = self._desk.runs.get(run.id) is run and run.publication == publication
            if not current or run.state != "queued" or not run.published_at or run.settled:
                return
            with contextlib.suppress(QueueDown):
                if any(hand.free and hand.serves(run.kind) for hand in self._desk.hands()):
                    await self._desk.queue.ring(run.lane)

    async def _arrived(self, job: Job) -> bool:
        """Whether an attempt without an answer was stored: a second one might be run twice."""
        if job.id in await self._desk.queue.present():
            return True
        return await self._desk.queue.last_state(job.id) is not None


async def withdraw(desk: Desk, lane: str, job: str) -> bool:
    """Take a job's message away; False when the broker does not answer (the audit will do it)."""
    try:
        await desk.queue.remove(lane, job)
    except QueueDown:
        return False
    return True
