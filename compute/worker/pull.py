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


class Puller:
    """``take`` gives a job or nothing, ``wait`` waits for a bell.

    Pulled messages keep the subject they were published on, so a plain request never sees them:
    they arrive on a subscription of ours.
    """

    def __init__(self, client: Client, lanes: Iterable[str], timing: Timing) -> None:
        self._client = client
        self._served = tuple(lanes)
        self._timing = timing
        self._exist: set[str] = set()
        self._denied: dict[str, float] = {}
        self._looked_s = 0.0
        self._inbox = client.new_inbox()
        self._asked = 0
        self._open: dict[str, tuple[str, float]] = {}  # reply subject -> lane, when asked
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._unanswered: set[str] = set()
        self._heard: set[str] = set()  # lanes that answered over this connection: they are ours
        self._connection = 0  # how often it was made anew
        self._rung: set[str] = set()
        self._bell = asyncio.Event()

    async def start(self) -> None:
        """Listen for answers and bells."""
        await self._client.subscribe(f"{self._inbox}.*", cb=self._arrived.put)
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
            if late := self._delivery(self._arrived.get_nowait()):
                return late
        if not self._client.is_connected:
            return None  # the library would send it later, when nobody waits for the answer
        if self._connection != self._client.stats["reconnects"]:
            self._open.clear()  # what was asked on a lost connection is never answered
            self._heard.clear()
            self._connection = self._client.stats["reconnects"]
        self._asked += 1
        reply = f"{self._inbox}.{self._asked}"
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer_of(lane)}"
        self._open[reply] = (lane, now_s())
        try:
            await self._client.publish(subject, ONE, reply=reply)
            async with asyncio.timeout(ANSWER_S):
                while reply in self._open:
                    if found := self._delivery(await self._arrived.get()):
                        return found
        except TimeoutError:
            await self._unheard(lane, reply)
        except (Error, OSError):
            self._open.pop(reply)
        return None

    def _delivery(self, message: Msg) -> Delivery | None:
        """The job in an answer; None where the answer is that there is none."""
        if message.subject.startswith(self._inbox):
            lane, _ = self._open.pop(message.subject, ("", 0.0))
            self._unanswered.discard(lane)
            self._heard.add(lane)
            if (message.headers or {}).get("Status") == NOBODY:
                self._exist.discard(lane)
            return None
        lane = message.subject.split(".")[1]
        self._heard.add(lane)
        # Of several pulls that it may answer the oldest: the lease must not begin too late.
        reply = next((r for r, asked in self._open.items() if asked[0] == lane), "")
        _, since_s = self._open.pop(reply, ("", now_s()))
        return Delivery(message, since_s)

    async def _unheard(self, lane: str, reply: str) -> None:
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
        self._open.pop(reply, None)
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
