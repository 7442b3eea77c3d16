"""How long it will take, from how long it took: ranges, and None where nothing is known."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.jobs.order import Hand, Kind, Queued

if TYPE_CHECKING:
    from sqlite_utils import Database

PAST = 50  # runs of a tool that a guess is made from
ENOUGH = 3  # below that nothing is said

RECENT = """SELECT lane, run_s FROM runs WHERE tool = ? AND state = 'done'
    ORDER BY ended_at DESC LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds."""

    low_s: float
    high_s: float


UNKNOWN = Span(0.0, float("inf"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a queued run stands (1 = next) and when it may start; ``starts`` None: unknown."""

    place: int
    starts: Span | None


@dataclass(frozen=True, slots=True)
class Running:
    """A run on a worker: what it is and for how long it has been going."""

    kind: Kind
    worker: str
    elapsed_s: float


class RunTimes:
    """How long the last runs of each tool took, on each lane and altogether."""

    def __init__(self, times: Mapping[str, Sequence[tuple[str, float]]]) -> None:
        self._spans: dict[tuple[str, str], Span] = {}
        for tool, rows in times.items():
            lanes: dict[str, list[float]] = defaultdict(list)
            for lane, run_s in rows:
                lanes[lane].append(run_s)
                lanes[""].append(run_s)
            for lane, values in lanes.items():
                if len(values) >= ENOUGH:
                    self._spans[tool, lane] = _span(values)

    def span(self, kind: Kind) -> Span | None:
        """Of such a run: on its lane if known, else of the tool anywhere, else None."""
        return self._spans.get((kind.tool, kind.lane)) or self._spans.get((kind.tool, ""))


def past_times(db: Database, tools: Iterable[str]) -> RunTimes:
    """Read the run times of ``tools``."""
    return RunTimes({tool: db.conn.execute(RECENT, [tool, PAST]).fetchall() for tool in tools})


def left_s(span: Span | None, elapsed_s: float, fraction: float) -> float | None:
    """What remains of a running run: by its own fraction once that says something, else by what
    such runs took; None when neither is known or it is over its time already.
    """
    if fraction >= 0.05 and elapsed_s >= 1.0:
        return elapsed_s * (1 - fraction) / fraction
    if span is None:
        return None
    rest = (span.low_s + span.high_s) / 2 - elapsed_s
    return rest if rest > 0 else None


def places(
    queue: Sequence[Queued], running: Iterable[Running], hands: Sequence[Hand], times: RunTimes
) -> dict[str, Place]:
    """Place and start of everything in ``queue``, which is in the order in which it will go.

    Each run goes to the worker that is free first, once as fast and once as slowly as such runs
    were. A run of unknown length may be over at any time and lasts for as long as it likes.
    """
    low = {hand.worker: 0.0 for hand in hands}
    high = dict(low)
    for now in running:
        if now.worker in low:
            span = times.span(now.kind) or UNKNOWN
            low[now.worker] = max(span.low_s - now.elapsed_s, 0.0)
            high[now.worker] = max(span.high_s - now.elapsed_s, 0.0)
    ahead: dict[frozenset[str], int] = defaultdict(int)
    servers: dict[Kind, frozenset[str]] = {}
    found = {}
    for run in queue:
        if run.kind not in servers:
            servers[run.kind] = frozenset(hand.worker for hand in hands if hand.serves(run.kind))
        serving = servers[run.kind]
        place = 1 + sum(n for others, n in ahead.items() if others & serving or others == serving)
        ahead[serving] += 1
        span = times.span(run.kind) or UNKNOWN
        starts = Span(_taken(low, serving, span.low_s), _taken(high, serving, span.high_s))
        found[run.run_id] = Place(place, starts if starts.high_s < float("inf") else None)
    return found


def _taken(free: dict[str, float], serving: frozenset[str], for_s: float) -> float:
    """When the first of ``serving`` is free (infinity: never); it is then busy ``for_s``."""
    if not serving:
        return float("inf")
    worker = min(serving, key=lambda name: (free[name], name))
    at = free[worker]
    free[worker] = at + for_s
    return at


def _span(values: list[float]) -> Span:
    """The 10th and 90th percentile: nine of ten such runs took no longer."""
    if len(values) < 10:
        return Span(min(values), max(values))
    cuts = statistics.quantiles(values, n=10, method="inclusive")
    return Span(cuts[0], cuts[-1])
