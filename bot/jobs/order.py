"""The fair order of what waits, decided in SQLite, and what of it goes to the broker now.

Each asker's runs take turns: the first of everybody, then the second of everybody. What an asker
has under way counts, so fifty runs of one never delay the first of another. Maintainers' runs go
before all. Only what free workers can take now leaves SQLite, plus ``SPARE`` a lane, which an
idle worker then finds without waiting for us.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SPARE = 1

QUEUED = "runs.ended_at = 0 AND runs.published_at = 0 AND runs.cancelling = 0"
ORDER = f"""
WITH busy AS (
    SELECT asker, COUNT(DISTINCT run_id) AS runs FROM asks JOIN runs ON runs.id = run_id
    WHERE asks.ended_at = 0 AND runs.ended_at = 0 AND runs.published_at > 0 GROUP BY asker),
turns AS (
    SELECT run_id, first, asked_at, COALESCE(busy.runs, 0) + ROW_NUMBER() OVER (
        PARTITION BY asks.asker ORDER BY first DESC, asked_at, asks.rowid) AS turn
    FROM asks JOIN runs ON runs.id = run_id LEFT JOIN busy ON busy.asker = asks.asker
    WHERE asks.ended_at = 0 AND {QUEUED})
SELECT runs.id, runs.lane, runs.tool, runs.schema_id, runs.not_before
FROM turns JOIN runs ON runs.id = turns.run_id
GROUP BY runs.id ORDER BY MAX(first) DESC, MIN(turn), MIN(asked_at), runs.rowid"""
WAITING = """SELECT id, lane, tool, schema_id, 0 FROM runs
    WHERE ended_at = 0 AND published_at > 0 AND state = 'queued' ORDER BY published_at"""
JOB = "id, publication, tool, schema_id, request, lane, ticket, base, host_gib, limit_s"
TAKE = f"""UPDATE runs SET published_at = ?, publication = publication + 1 WHERE id = ?
    RETURNING {JOB}"""


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that waits; ``not_before``: Unix seconds before which it is not published."""

    run_id: str
    lane: str
    tool: str
    schema_id: str
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Hand:
    """A worker that is online: what it can take, and whether it is free."""

    worker: str
    lanes: frozenset[str]
    tools: frozenset[tuple[str, str]]  # (name, schema)
    free: bool

    def serves(self, run: Queued) -> bool:
        """Whether ``run`` can be done by it at all."""
        return run.lane in self.lanes and (run.tool, run.schema_id) in self.tools


class Room:
    """What may be on the broker unclaimed: one run for each free worker, and the spare ones."""

    def __init__(self, hands: Iterable[Hand]) -> None:
        self._hands = sorted(hands, key=lambda hand: len(hand.lanes))  # keep the able ones longest
        self._free = [hand for hand in self._hands if hand.free]
        self._spare: Counter[str] = Counter()

    def lanes(self) -> frozenset[str]:
        """The lanes that anything could go to."""
        return frozenset(lane for hand in self._hands for lane in hand.lanes)

    def hold(self, run: Queued) -> None:
        """``run`` is out there already."""
        if not self._reserve(run):
            self._spare[run.lane] += 1

    def take(self, run: Queued) -> bool:
        """Whether ``run`` may go out too; if so it counts from now on."""
        if self._reserve(run):
            return True
        if self._spare[run.lane] >= SPARE or not any(hand.serves(run) for hand in self._hands):
            return False
        self._spare[run.lane] += 1
        return True

    def _reserve(self, run: Queued) -> bool:
        for place, hand in enumerate(self._free):
            if hand.serves(run):
                del self._free[place]
                return True
        return False


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that goes to the broker, as it stands in SQLite."""

    run_id: str
    publication: int
    tool: str
    schema_id: str
    request: str  # JSON
    lane: str
    ticket: str
    base: int
    host_gib: float
    limit_s: float


def in_order(db: Database) -> list[Queued]:
    """All that waits in SQLite, the next one first."""
    return [Queued(*row) for row in db.conn.execute(ORDER).fetchall()]


def waiting(db: Database) -> list[Queued]:
    """All that is on the broker and that no worker has claimed."""
    return [Queued(*row) for row in db.conn.execute(WAITING).fetchall()]


def take(db: Database, hands: Iterable[Hand], now: float) -> list[Taken]:
    """Mark what goes to the broker now, in the fair order; inside a change of the store."""
    room = Room(hands)
    lanes = room.lanes()
    if not lanes:
        return []
    for run in waiting(db):
        room.hold(run)
    chosen = [
        run
        for run in in_order(db)
        if run.lane in lanes and run.not_before <= now and room.take(run)
    ]
    return [Taken(*db.conn.execute(TAKE, [now, run.run_id]).fetchone()) for run in chosen]


def taken(db: Database, run: str) -> list[Taken]:
    """The last publication of a run that is on the broker; none when it is not, or is over."""
    sql = f"SELECT {JOB} FROM runs WHERE id = ? AND ended_at = 0 AND published_at > 0"
    return [Taken(*row) for row in db.conn.execute(sql, [run]).fetchall()]
