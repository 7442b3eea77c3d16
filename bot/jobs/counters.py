"""What /metrics shows of the runs since the start of the process."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

BOUNDS_S = (0.05, 0.2, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)  # upper ends of the buckets
REMEMBERED = 1_000


@dataclass(slots=True)
class Spread:
    """A histogram: ``buckets[i]`` counts values up to ``BOUNDS_S[i]`` s, the last one the rest."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.buckets)

    def add(self, value_s: float) -> None:
        """One more value."""
        self.buckets[bisect_left(BOUNDS_S, value_s)] += 1
        self.sum_s += value_s


class Counters:
    """Counts by tool. ``lately_ended`` are jobs that a worker's card may still name."""

    def __init__(self) -> None:
        self.waits: dict[str, Spread] = {}
        self.runs: dict[str, Spread] = {}
        self.ended: Counter[tuple[str, str, str]] = Counter()  # tool, state, cause
        self.disbelieved: Counter[str] = Counter()  # worker
        self.shared = 0
        self.resubmitted = 0
        self.lately_ended: OrderedDict[str, None] = OrderedDict()

    def started(self, tool: str, wait_s: float) -> None:
        """A run started for the first time, that long after it was asked for."""
        self.waits.setdefault(tool, Spread()).add(max(wait_s, 0.0))

    def over(self, job: str, tool: str, state: str, cause: str, run_s: float) -> None:
        """A run ended."""
        self.ended[tool, state, cause] += 1
        if run_s > 0:
            self.runs.setdefault(tool, Spread()).add(run_s)
        self.lately_ended[job] = None
        if len(self.lately_ended) > REMEMBERED:
            self.lately_ended.popitem(last=False)
