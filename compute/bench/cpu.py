"""The CPU as a device: calls return when they are done, so a mark is the time of day."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from compute.bench.device import Clocks

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
UNKNOWN_CACHE = 32 * 2**20
FACTOR = 2  # of the last level; four times as GPUs get would be most of a run's time
MOST_FLUSH = 256 * 2**20


class CpuDevice:
    """``memory_bytes`` is what a run may fill."""

    kind = "cpu"

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self.cache_bytes = last_cache_bytes()
        self._flushes = 0

    def mark(self) -> float:
        """Now."""
        return time.perf_counter()

    def elapsed_s(self, start: float, end: float) -> float:
        """Their difference."""
        return end - start

    def synchronize(self) -> None:
        """Every call is done when it returns."""

    def lost(self) -> str:
        """A CPU goes on."""
        return ""

    @cached_property
    def _buffer(self) -> Any:
        import torch

        size = min(FACTOR * self.cache_bytes, MOST_FLUSH)
        return torch.ones(size // 4, dtype=torch.float32)

    def flush(self) -> None:
        """Write over the last cache level, then read it."""
        self._flushes += 1
        self._buffer.fill_(float(self._flushes % 1000 + 1))
        self._buffer.sum()

    def spin(self, seconds: float) -> None:
        """Nothing runs ahead here."""

    def capture(self, calls: Sequence[Callable[[], object]]) -> None:
        """A CPU has no graphs."""
        return

    def peak_bytes(self, call: Callable[[], object]) -> int | None:
        """The host's allocator keeps no count."""
        return None

    def clocks(self) -> Clocks:
        """The load: what else the machine does."""
        try:
            return Clocks(load=os.getloadavg()[0])
        except OSError:
            return Clocks()

    def glance(self) -> None:
        """The load before and after says enough."""

    def seen(self) -> list[Clocks]:
        """Nothing."""
        return []

    def now_s(self) -> float:
        """A clock that only goes on."""
        return time.perf_counter()


def last_cache_bytes(folder: Path = CACHES) -> int:
    """Of the largest cache level that Linux lists for the first core."""
    found = [0]
    for size in folder.glob("index*/size"):
        try:
            text = size.read_text(encoding="ascii").strip()
            found.append(int(text.rstrip("KM")) * (2**20 if text.endswith("M") else 2**10))
        except (OSError, ValueError):
            continue
    return max(found) or UNKNOWN_CACHE
