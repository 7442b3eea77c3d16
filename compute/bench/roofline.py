"""What the measured ceilings allow, and which times are too good to be true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REJECT_PCT = 105.0
RAISED = 1.2  # a peak is no more than that above the one of 8192 x 8192: clocks and sizes differ
CACHES = 4  # a problem must be so many times the cache to be judged as one of memory


@dataclass(frozen=True)
class Roofline:
    """The least time of a problem: ``bound`` says which ceiling it is."""

    floor_s: float
    bound: Literal["memory", "compute"]
    copy_gbs: float
    peak_tflops: float | None

    def percent(self, time_s: float) -> float:
        """How much of it a time reaches."""
        return 100 * self.floor_s / time_s


def roofline(moved_bytes: int, flops: int, copy_gbs: float, peak_tflops: float | None) -> Roofline:
    """max(bytes / bandwidth, work / peak) of the measured ceilings (Williams et al. 2009)."""
    by_memory = moved_bytes / (copy_gbs * 1e9)
    by_compute = flops / (peak_tflops * 1e12) if peak_tflops else 0.0
    bound: Literal["memory", "compute"] = "memory" if by_memory >= by_compute else "compute"
    return Roofline(max(by_memory, by_compute), bound, copy_gbs, peak_tflops)


def raised(peak_tflops: float | None, reached_tflops: float) -> float | None:
    """The peak, or what PyTorch itself reached in the same rounds: the large product runs at lower
    clocks where power caps it. What is far above is no peak but a fault.
    """
    if peak_tflops and peak_tflops < reached_tflops <= RAISED * peak_tflops:
        return reached_tflops
    return peak_tflops


def impossible(
    percent: float, *, cold: bool, moved_bytes: int, cache_bytes: int, bound: str
) -> bool:
    """Whether a time is a fault of the measurement: above 105 % of its roofline where neither the
    cache nor what was left in it can explain it.
    """
    held = bound == "memory" and moved_bytes < CACHES * cache_bytes
    return percent > REJECT_PCT and cold and not held
