"""A worker's loop: take a job, run it, take the next; cards and cancellations beside it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import Error
from pydantic import ValidationError

from compute.jobs.job import MAX_ATTEMPTS, PROTOCOL, Card, Job, Machine
from compute.jobs.subjects import cancel_subject
from compute.worker.card_lock import CardLock
from compute.worker.load import GpuLoad, cpu_load
from compute.worker.outcome import Outcome, failed
from compute.worker.post import Post
from compute.worker.presence import Presence
from compute.worker.pull import Delivery, Puller
from compute.worker.run import JobRun

log = logging.getLogger(__name__)

Say = Callable[[str], None]
LOST = f"It was started {MAX_ATTEMPTS} times and each time its worker was lost on the way."


@dataclass(frozen=True, slots=True)
class Skill:
    """What this worker can do. ``tools``: name -> schema id of the tools it has."""

    machine: Machine
    lanes: tuple[str, ...]
    tools: dict[str, str]
    version: str


class Server:
    """``serve`` until ``stop``."""

    def __init__(self, post: Post, skill: Skill, lock: CardLock | None, say: Say) -> None:
        self._post, self._skill, self._lock, self._say = post, skill, lock, say
        self._puller = Puller(post.client, skill.lanes, post.timing)
        self._presence = Presence(post.client, post.js, post.timing, self._card)
        self._gpu_load = GpuLoad(skill.machine.gpu_uuid, post.timing.card_s)
        self._since = time.time()
        self._run: JobRun | None = None
        self._stopping = False
        self._acknowledging: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Take no more jobs and hand back the one that runs."""
        self._stopping = True
        self._puller.wake()
        if self._run is not None:
            self._run.stop("stopping")

    async def serve(self) -> None:
        """Take jobs until ``stop``."""
        await self._post.client.subscribe(cancel_subject(self._post.name), cb=self._cancel)
        await self._puller.start()
        await self._presence.start()
        said = ""
        try:
            while not self._stopping:
                if self._presence.trouble != said:
                    said = self._presence.trouble
                    self._say(said or "bot and worker fit again; waiting for jobs")
                if said or not await self._some():
                    await self._puller.wait()
        finally:
            if self._acknowledging:
                await asyncio.wait(self._acknowledging, timeout=self._post.timing.renew_s)
            await self._presence.close()
            await self._gpu_load.close()

    async def _some(self) -> bool:
        """Run whatever waits; whether there was anything. Another worker may have our card."""
        if self._lock is not None and not self._lock.take():
            return False
        try:
            delivery = await self._puller.take()
            some = delivery is not None
            while delivery is not None:
                await self._one(delivery)
                if self._stopping or self._presence.trouble:
                    break
                delivery = await self._puller.take(everywhere=True)
            return some
        finally:
            if self._lock is not None:
                self._lock.give()

    async def _one(self, delivery: Delivery) -> None:
        """One message of the queue; nothing in it may end the worker."""
        try:
            job = Job.model_validate_json(delivery.message.data)
        except ValidationError as error:
            log.error("%s is no job: %s", delivery.message.subject, error)
            await self._discard(delivery.message)
            return
        try:
            await self._job(JobRun(self._post, delivery, job))
        except Exception:
            log.exception("job %s", job.id[:6])
        finally:
            self._run = None

    async def _job(self, run: JobRun) -> None:
        name, job = f"{run.job.tool} {run.job.id[:6]}", run.job
        if (unfit := self._unfit(run)) is not None:
            self._say(f"{name}: not run: {unfit.words}")
            await run.turn_down(unfit)
            return
        self._run = run
        if self._stopping:
            run.stop("stopping")
        self._say(f"{name}: started ({job.lane}, attempt {run.attempt})")
        began_s = time.monotonic()
        how = await run.run()
        if run.recorded:
            task = asyncio.create_task(run.acknowledge())
            self._acknowledging.add(task)
            task.add_done_callback(self._acknowledging.discard)
        self._say(f"{name}: {how}, {time.monotonic() - began_s:.1f} s")

    def _unfit(self, run: JobRun) -> Outcome | None:
        if run.attempt > MAX_ATTEMPTS:
            return failed("lost", LOST)
        here = self._skill.tools.get(run.job.tool)
        if here == run.job.schema_id:
            return None
        what = "has no such tool" if here is None else "has another version of that tool"
        return Outcome("returned", "skew", f"{self._post.name} {what}.")

    async def _discard(self, message: Msg) -> None:
        try:
            await self._post.client.request(message.reply, b"+TERM", timeout=2)
        except (Error, TimeoutError, OSError) as error:
            log.info("it stays in the queue: %r", error)

    async def _cancel(self, message: Msg) -> None:
        """The bot says this again and again until it sees the end: unknown jobs mean nothing."""
        if self._run is not None and message.data == self._run.job.id.encode():
            self._run.stop("cancelled")

    def _card(self) -> Card:
        return Card(
            name=self._post.name,
            protocol=PROTOCOL,
            version=self._skill.version,
            lanes=self._puller.lanes,
            tools=self._skill.tools,
            machine=self._skill.machine,
            job=self._run.job.id if self._run else "",
            load=cpu_load(),
            gpu_load=self._gpu_load.share,
            since=self._since,
            at=time.time(),
        )
