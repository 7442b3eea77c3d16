"""One job on this worker, from its claim to its acknowledgement."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from compute.jobs.job import Job
from compute.worker.attempt import attempt
from compute.worker.lease import Lease, Lost
from compute.worker.outcome import HandBack, Outcome
from compute.worker.post import Post, ended
from compute.worker.pull import Delivery
from compute.worker.report import Report
from compute.worker.states import AlreadyEnded

Stop = Literal["cancelled", "stopping"]
LOST = "lost: the queue was out of reach for too long, or another worker has it"


class JobRun:
    """``run`` does it all; ``stop`` ends it early. Both words are for the terminal."""

    def __init__(self, post: Post, delivery: Delivery, job: Job) -> None:
        self.job = job
        self.attempt = job.base + delivery.count
        self._post = post
        self._lease = Lease(post.client, delivery.message, post.timing, delivery.since_s)
        self._report = Report(post, job, self.attempt, self._lease)
        self._stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.recorded = False  # whether its end is, so that it may be acknowledged

    def stop(self, why: Stop) -> None:
        """Cancelled by the person, or the worker itself is told to end."""
        if why == "stopping":  # a worker that ends cannot wait for ever for a state to be taken
            loop = asyncio.get_running_loop()
            loop.call_later(self._post.timing.renew_s, self._late.cancel)
        if not self._stop.done():
            self._stop.set_result(why)

    async def run(self) -> str:
        """Do the job. What cannot be finished here is left for another attempt."""
        holding = asyncio.create_task(self._hold())
        # Begun before the claim is confirmed: nobody sees anything of it if the claim fails.
        work = asyncio.create_task(attempt(self._post, self.job, self._report))
        try:
            first: set[asyncio.Future[Any]] = {holding, work, self._stop}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                await ended(work)
                return await self._not_ours(holding)
            if not work.done():
                await ended(work)
                if self._stop.result() == "stopping":
                    return await self._hand_back("the worker is stopping")
                return await self._finish(Outcome("cancelled"), holding)
            return await self._worked(work, holding)
        finally:
            await ended(work)
            await ended(holding)
            await self._report.close()

    async def turn_down(self, outcome: Outcome) -> None:
        """Record an end, or a return to the bot, without running anything."""
        try:
            await self._report.end_unclaimed(outcome)
        except AlreadyEnded:
            pass
        except Lost:
            return
        await self._lease.give_up(b"+TERM")

    async def _hold(self) -> None:
        """Claim the job and keep its lease. Returns or raises only once it is not ours."""
        try:
            async with asyncio.timeout(self._lease.left_s()):
                await self._report.claim()
        except TimeoutError:
            return  # a claim that takes longer than the lease is none
        await self._lease.keep()

    async def _not_ours(self, holding: asyncio.Task[None]) -> str:
        try:
            await holding
        except AlreadyEnded:
            await self._lease.give_up(b"+ACK")
            return "had ended before"
        except Lost:
            pass
        return LOST

    async def _worked(self, work: asyncio.Task[Outcome], holding: asyncio.Task[None]) -> str:
        try:
            outcome = await work
        except HandBack as back:
            return await self._hand_back(str(back))
        return await self._finish(outcome, holding)

    async def _finish(self, outcome: Outcome, holding: asyncio.Task[None]) -> str:
        """Record the end, confirmed and only while the job is ours."""
        recording = asyncio.create_task(self._report.end(outcome))
        try:
            first: set[asyncio.Future[Any]] = {recording, holding, self._late}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if recording.done():
                await recording
            elif holding.done():
                return await self._not_ours(holding)
            else:
                # First, so that an end that was stored unconfirmed is not written over.
                await ended(recording)
                return await self._hand_back("its end could not be recorded in time")
        except Lost:
            return LOST
        finally:
            await ended(recording)
        self.recorded = True
        return f"{outcome.phase} ({outcome.cause})" if outcome.cause else outcome.phase

    async def acknowledge(self) -> None:
        """Take a recorded job out of the queue. The next one need not wait for this."""
        await self._lease.end()

    async def _hand_back(self, why: str) -> str:
        """The child is dead: another worker may start at once, as the next attempt."""
        if self._lease.left_s() > 0:
            await self._report.given_back()
            await self._lease.give_up(b"-NAK")
        return f"handed back: {why}"
