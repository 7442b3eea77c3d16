"""Whose turn it is on the one thread that talks to GitHub: reads first, changes apart."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

EVERY_S = 1.0  # GitHub asks for a second between two changes
PER_MINUTE, PER_HOUR = 80, 500  # posts; https://docs.github.com/rest: content creation
READ, CHANGE = 0, 1


class Turns:
    """One turn at a time; among those who wait, reads come before changes."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(1 for _, _, one in self._waiting if not one.done())

    async def take(self, rank: int) -> None:
        """Wait for a turn of ``READ`` or ``CHANGE``; give it back with ``free``."""
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.free()  # it was given just as its taker was cancelled
            raise

    def free(self) -> None:
        """The turn is over: the next one's."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False


@dataclass(slots=True)
class Pace:
    """When a change may begin: ``every_s`` after the last one ended, and new posts no more often
    than GitHub takes them. ``clock`` counts seconds.
    """

    every_s: float = EVERY_S
    per_minute: int = PER_MINUTE
    per_hour: int = PER_HOUR
    minute_s: float = 60.0
    hour_s: float = 3600.0
    clock: Callable[[], float] = time.monotonic
    _next: float = field(init=False)
    _posts: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        # A process before this one may have changed something a moment ago.
        self._next = self.clock() + self.every_s

    def wait_s(self) -> float:
        """Seconds until a change may begin."""
        return max(0.0, self._next - self.clock())

    def full_s(self) -> float:
        """Seconds until one more post is within the minute's and the hour's number; 0: now."""
        now = self.clock()
        while self._posts and self._posts[0] <= now - self.hour_s:
            self._posts.popleft()
        waits = [0.0]
        for most, window_s in ((self.per_minute, self.minute_s), (self.per_hour, self.hour_s)):
            if len(self._posts) >= most:
                waits.append(self._posts[-most] + window_s - now)
        return max(waits)

    def began(self, *, posts: bool) -> None:
        """A change goes out; ``posts``: one that makes something new."""
        if posts:
            self._posts.append(self.clock())

    def ended(self) -> None:
        """It is over, whatever became of it."""
        self._next = self.clock() + self.every_s
