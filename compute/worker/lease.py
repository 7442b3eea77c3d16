"""The right to run a job: renewed with confirmed acknowledgements, lost by silence."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from compute.jobs.subjects import Timing

# Counts on while a laptop sleeps, which CLOCK_MONOTONIC does not: to the queue that was silence.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_s() -> float:
    """Seconds of a clock that only ever goes forward."""
    return time.clock_gettime(CLOCK)


class Lost(Exception):
    """Somebody else may run the job by now: nothing may be written of it any more."""


class Lease:
    """Held since ``since_s``, when the job was asked for: the server's own clock began later.

    A confirmed in-progress acknowledgement is no proof of holding the job: the server answers it
    for a delivery that it has handed to someone else. So our own gap is looked at before each.
    """

    def __init__(self, client: Client, delivery: Msg, timing: Timing, since_s: float) -> None:
        self._client = client
        self._delivery = delivery
        self._timing = timing
        self._confirmed_s = since_s
        self._dropped = asyncio.Event()

    def left_s(self) -> float:
        """Until it counts as lost; negative afterwards."""
        return self._confirmed_s + self._timing.drop_s - now_s()

    def check(self) -> None:
        """Raises ``Lost``."""
        if self.left_s() <= 0:
            raise Lost

    def drop(self) -> None:
        """It is lost: somebody else was seen to have the job."""
        self._confirmed_s = -math.inf
        self._dropped.set()

    async def keep(self) -> None:
        """Renew it until cancelled. Returns once it is lost."""
        pause_s = self._timing.renew_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(pause_s, self.left_s()))):
                    await self._dropped.wait()
            if self.left_s() <= 0:
                return
            asked_s = now_s()
            confirmed = await self._ask(b"+WPI", self._timing.renew_s)
            if confirmed and self.left_s() > 0:
                self._confirmed_s = asked_s
            pause_s = self._timing.renew_s if confirmed else self._timing.renew_s / 4

    async def end(self) -> None:
        """Acknowledge the job, confirmed, once its end is recorded.

        Given up after a while: for a stream that was lost and made again the server confirms
        renewals for ever and an acknowledgement never. The bot removes what it has recorded.
        """
        until_s = now_s() + self._timing.drop_s
        while now_s() < until_s:
            if await self._ask(b"+ACK", self._timing.renew_s):
                return
            await asyncio.sleep(self._timing.renew_s / 4)

    async def give_up(self, word: bytes) -> None:
        """``-NAK``: another worker may start it at once; ``+TERM``: nobody shall."""
        await self._ask(word, self._timing.renew_s)

    async def _ask(self, word: bytes, timeout_s: float) -> bool:
        """Whether the server confirmed ``word``. The wait never outlasts the lease by much."""
        if not self._client.is_connected:
            return False  # the library would send it later, perhaps too late
        try:
            timeout_s = max(0.05, min(timeout_s, self.left_s()))
            await self._client.request(self._delivery.reply, word, timeout=timeout_s)
        except (Error, TimeoutError, OSError):
            return False
        return True
