"""Medians, quartiles, and when a difference is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FASTER_BY = 1.03  # a ratio below it is no difference, whatever the spread
UNSTABLE_SHARE = 0.02  # two blocks may differ by that or by the interquartile range
NOISY_SHARE = 0.5  # of the median, between the quartiles
SETTLED_SHARE = 0.01  # the confidence interval of the median that ends sampling
Z_95 = 1.96


@dataclass(frozen=True)
class Spread:
    """Times in seconds: the median, the quartiles, the least, and of how many."""

    median: float
    q1: float
    q3: float
    least: float
    n: int

    @property
    def iqr(self) -> float:
        """The distance of the quartiles."""
        return self.q3 - self.q1


def spread(times: Sequence[float]) -> Spread:
    """Quartiles by linear interpolation. Raises ``ValueError`` without any time."""
    if not times:
        raise ValueError("there is no time to take a median of")
    ordered = sorted(times)
    return Spread(
        median=quantile(ordered, 0.5),
        q1=quantile(ordered, 0.25),
        q3=quantile(ordered, 0.75),
        least=ordered[0],
        n=len(ordered),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of sorted values, between the two nearest ranks."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def settled(times: Sequence[float], share: float = SETTLED_SHARE) -> bool:
    """Whether the median's 95 % interval (by order statistics) is within ``share`` of it."""
    count = len(times)
    if count < 10:
        return False
    ordered = sorted(times)
    half = Z_95 * math.sqrt(count) / 2
    low = max(math.floor(count / 2 - half), 0)
    high = min(math.ceil(count / 2 + half), count - 1)
    median = quantile(ordered, 0.5)
    return ordered[high] - ordered[low] <= 2 * share * median


def unstable(blocks: Sequence[Sequence[float]]) -> bool:
    """Whether repeated blocks disagree: their medians differ by more than 2 %, and by more than the
    larger interquartile range of one block (that of all would hold the difference itself). So is
    what scatters over more than half its median: two such runs on a busy machine were 30x apart.
    """
    spreads = [spread(block) for block in blocks if block]
    whole = spread([time for block in blocks for time in block])
    if whole.iqr > NOISY_SHARE * whole.median:
        return True
    if len(spreads) < 2:
        return False
    medians = [one.median for one in spreads]
    room = max(UNSTABLE_SHARE * min(medians), *(one.iqr for one in spreads))
    return max(medians) - min(medians) > room


Standing = Literal["faster", "slower", "no difference"]


def standing(one: Spread | tuple[float, float, float], other: Spread) -> Standing:
    """How ``one`` stands to ``other``: different only if the quartile ranges lie apart and the
    medians by more than 3 %. ``one`` may be (median, q1, q3).
    """
    median, q1, q3 = one if isinstance(one, tuple) else (one.median, one.q1, one.q3)
    if q3 < other.q1 and other.median > FASTER_BY * median:
        return "faster"
    if q1 > other.q3 and median > FASTER_BY * other.median:
        return "slower"
    return "no difference"
