"""What timing needs of a device: marks in its stream, a flush of its cache, its clocks.

The CUDA device, the CPU and the clock of the tests are three of these; nothing else of the
measuring knows which one it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Clocks:
    """The machine's state at one moment; None is unknown. ``throttle`` names what holds the clock
    down, ``others`` counts other programs on the GPU, ``load`` is a CPU's 1-minute load. An
    ``idle`` GPU lowers its clocks for want of work, which says nothing about what was timed.
    """

    sm_mhz: float | None = None
    most_mhz: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    throttle: tuple[str, ...] = ()
    others: int | None = None
    load: float | None = None
    idle: bool = False


# As torch's allocator of the host, CUDA, its driver and cuBLAS say it.
NO_MEMORY = ("can't allocate memory", "out of memory", "error_out_of_memory", "status_alloc_failed")


class Lost(Exception):
    """The device takes no more work from this process; the message says why."""


class Device(Protocol):
    """One GPU, or the CPU."""

    kind: str  # torch's name: "cuda" or "cpu"
    cache_bytes: int  # of the last cache level (L2 on a GPU)
    memory_bytes: int  # free for tensors

    def mark(self) -> Any:
        """A point in time behind everything enqueued so far."""

    def elapsed_s(self, start: Any, end: Any) -> float:
        """Seconds between two marks; only after ``synchronize``."""

    def synchronize(self) -> None:
        """Wait until everything enqueued is done. Raises ``Lost`` where that never comes."""

    def lost(self) -> str:
        """Why no more work is taken from this process, "" while it is: after an illegal address
        or a trap in one kernel CUDA refuses every call until the process ends.
        """

    def flush(self) -> None:
        """Empty the cache: write changing non-zero values over four times its size, then read
        them, so that nothing dirty is left to be written back during the next launch.
        """

    def spin(self, seconds: float) -> None:
        """Keep the device busy about that long, so that the host can enqueue ahead of it."""

    def capture(self, calls: Sequence[Callable[[], object]]) -> Callable[[], object] | None:
        """``calls`` as one CUDA graph to replay; None where there are no graphs."""

    def peak_bytes(self, call: Callable[[], object]) -> int | None:
        """Device memory that one ``call`` holds at most beside what was there before it; None
        where nobody counts.
        """

    def clocks(self) -> Clocks:
        """The state now."""

    def glance(self) -> None:
        """Note the state beside the timing, which it does not hold up; work is under way."""

    def seen(self) -> list[Clocks]:
        """What was noted while there was work."""

    def now_s(self) -> float:
        """The host's clock, in seconds."""


def out_of_memory(error: Exception) -> bool:
    """Of the GPU or of the host, whichever library says it."""
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return named or any(words in str(error).lower() for words in NO_MEMORY)
