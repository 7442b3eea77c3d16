"""Taking jobs: one at a time, from lanes that exist and are served, most demanding first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from compute.jobs.subjects import STREAM, Timing, bell, consumer_of
from compute.worker.lease import now_s

log = logging.getLogger(__name__)

ONE = b'{"batch":1,"no_wait":true}'
ANSWER_S = 2.0  # of a pull; the server answers at once, whether there is a job or not
LANES_S = 10.0  # between two looks at which lanes exist; a bell tells of a new one at once
DENIED_S = 60.0  # a lane that gave no answer is left alone that long
NOBODY = "503"  # status: no such consumer


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job's message. ``since_s`` is when it was asked for, ``count`` its deliveries so far."""

    message: Msg
    since_s: float

    @property
    def count(self) -> int:
        """1 at the first delivery."""
        return self.message.metadata.num_delivered


class _Ear:
    """A subscription for the answers to pulls, one open pull at a time.

    A pulled message keeps the subject it was published on: only the subscription it arrives on
    tells which pull it answers, and so when its lease began at the earliest. A pull that got no
    answer (its stream was lost, the server's disk is slow) keeps its ear; the next has another.
    """

    def __init__(self, inbox: str, arrived: asyncio.Queue[tuple[_Ear, Msg]]) -> None:
        self.inbox = inbox
        self.lane = ""  # of the open pull
        self.since_s = now_s()
        self._arrived = arrived
        self._subscription: Subscription | None = None

    async def open(self, client: Client) -> None:
        self._subscription = await client.subscribe(self.inbox, cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        await self._arrived.put((self, message))

    async def close(self) -> None:
        """Hear no more."""
        if self._subscription is not None:
            with contextlib.suppress(Error):  # of a connection that is closed
                await self._subscription.unsubscribe()


class Puller:
    """``take`` gives a job or nothing, ``wait`` waits for a bell."""

    def __init__(self, client: Client, lanes: Iterable[str], timing: Timing) -> None:
        self._client = client
        self._served = tuple(lanes)
        self._timing = timing
        self._exist: set[str] = set()
        self._denied: dict[str, float] = {}
        self._looked_s = 0.0
        self._arrived: asyncio.Queue[tuple[_Ear, Msg]] = asyncio.Queue()
        self._ears: list[_Ear] = []  # the last is in use, the others wait for late answers
        self._unanswered: set[str] = set()
        self._heard: set[str] = set()  # lanes that answered over this connection: they are ours
        self._connection = 0  # how often it was made anew
        self._rung: set[str] = set()
        self._bell = asyncio.Event()

    async def start(self) -> None:
        """Listen for answers and bells."""
        await self._new_ear()
        await self._client.subscribe(bell("*"), cb=self._ring)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes served, but for those that the queue does not let us have."""
        now = now_s()
        return tuple(lane for lane in self._served if self._denied.get(lane, 0.0) < now)

    async def _ring(self, message: Msg) -> None:
        lane = message.subject.partition(".")[2]
        if lane in self._served:
            self._rung.add(lane)
            self._bell.set()

    async def take(self, *, everywhere: bool = False) -> Delivery | None:
        """A job if there is one now: of the lanes whose bell rang since, else of all."""
        rung, self._rung = self._rung, set()
        self._exist |= rung
        if everywhere or not rung:
            await self._look()
            rung = self._exist
        for lane in self.lanes:
            if lane in rung:
                found = await self._pull(lane)
                if found is not None:
                    return found
        return None

    async def wait(self) -> None:
        """Until a bell rings, and no longer than a poll."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.poll_s):
                await self._bell.wait()
        self._bell.clear()  # here, so that waiting again waits also where nothing could be taken

    def wake(self) -> None:
        """End a ``wait``."""
        self._bell.set()

    async def _pull(self, lane: str) -> Delivery | None:
        """The answer to one pull, or a job that an earlier one brought too late to be seen."""
        while not self._arrived.empty():
            if late := self._delivery(*self._arrived.get_nowait()):
                return late
        if not self._client.is_connected:
            return None  # the library would send it later, when nobody waits for the answer
        try:
            ear = await self._free_ear()
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer_of(lane)}"
            ear.lane, ear.since_s = lane, now_s()
            await self._client.publish(subject, ONE, reply=ear.inbox)
            async with asyncio.timeout(ANSWER_S):
                while ear.lane:
                    if found := self._delivery(*await self._arrived.get()):
                        return found
        except TimeoutError:
            await self._unheard(lane)
        except (Error, OSError):
            return None
        return None

    async def _free_ear(self) -> _Ear:
        """One on which no answer is awaited, made by this connection."""
        if self._connection != self._client.stats["reconnects"]:
            self._heard.clear()
            self._connection = self._client.stats["reconnects"]
        elif not self._ears[-1].lane:
            return self._ears[-1]
        return await self._new_ear()

    async def _new_ear(self) -> _Ear:
        """What the old ones may still bring is of use for one lease."""
        until_s = now_s() - self._timing.lease_s
        for old in [ear for ear in self._ears if ear.since_s < until_s]:
            self._ears.remove(old)
            await old.close()
        ear = _Ear(self._client.new_inbox(), self._arrived)
        await ear.open(self._client)
        self._ears.append(ear)
        return ear

    def _delivery(self, ear: _Ear, message: Msg) -> Delivery | None:
        """The job in an answer; None where the answer is that there is none."""
        lane, ear.lane = ear.lane, ""
        if message.subject == ear.inbox:
            self._unanswered.discard(lane)
            self._heard.add(lane)
            if (message.headers or {}).get("Status") == NOBODY:
                self._exist.discard(lane)
            return None
        self._heard.add(message.subject.split(".")[1])
        return Delivery(message, ear.since_s)

    async def _unheard(self, lane: str) -> None:
        """No answer: the server is away, its disk is slow, or, where a lane never answered and does
        not the second time in a row, it is not for us.
        """
        try:
            await self._client.flush(1)
        except (Error, TimeoutError, OSError):
            return
        if self._connection != self._client.stats["reconnects"] or lane in self._heard:
            return
        if lane not in self._unanswered:
            self._unanswered.add(lane)
            return
        self._unanswered.discard(lane)
        self._denied[lane] = now_s() + DENIED_S
        log.warning("the queue gives this worker no jobs of lane %s; is it allowed?", lane)

    async def _look(self) -> None:
        """Learn which of our lanes exist."""
        if now_s() - self._looked_s < LANES_S or not self._client.is_connected:
            return
        found: set[str] = set()
        total = 1
        try:
            while len(found) < total:
                answer = await self._names(len(found))
                total = int(answer.get("total", 0))
                names = answer.get("consumers") or []
                found.update(names)
                if not names:
                    break
        except (Error, TimeoutError, OSError, ValueError):
            return  # asked again with the next poll
        self._exist = {lane for lane in self._served if consumer_of(lane) in found}
        self._looked_s = now_s()

    async def _names(self, offset: int) -> dict[str, Any]:
        subject = f"$JS.API.CONSUMER.NAMES.{STREAM}"
        message = await self._client.request(
            subject, json.dumps({"offset": offset}).encode(), timeout=ANSWER_S
        )
        answer: dict[str, Any] = json.loads(message.data)
        return answer
