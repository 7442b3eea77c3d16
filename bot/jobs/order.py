"""The fair order of what waits, decided in SQLite, and what of it goes to the broker now.

Each asker's runs take turns: the first of everybody, then the second of everybody. What an asker
has under way counts, so fifty runs of one never delay the first of another. Maintainers' runs go
before all. Only what free workers can take now leaves SQLite, plus ``SPARE`` a lane, which an
idle worker then finds without waiting for us.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SPARE = 1

BUSY = """busy AS (SELECT asker, COUNT(*) AS runs FROM asks
    WHERE ended_at = 0 AND waiting = 0 GROUP BY asker)"""
TURN = "ROW_NUMBER() OVER (PARTITION BY asks.asker ORDER BY first DESC, asked_at, asks.rowid)"
FAIR = """SELECT run_id, kind FROM turns LEFT JOIN busy USING (asker)
    ORDER BY first DESC, turn + COALESCE(busy.runs, 0), asked_at, place"""
COLUMNS = "run_id, kind, asks.asker, first, asked_at, asks.rowid AS place"
ALL = f"""WITH {BUSY}, turns AS (SELECT {COLUMNS}, {TURN} AS turn FROM asks WHERE waiting = 1)
    {FAIR}"""
# Only so many of each asker as can be taken at all, found without reading all that wait: 0.3 ms
# for 1,000 runs of 50 people, where the whole order takes 3 ms.
NEXT = f"""WITH RECURSIVE askers(asker) AS (
    SELECT MIN(asker) FROM asks WHERE waiting = 1 UNION ALL
    SELECT (SELECT MIN(asker) FROM asks WHERE waiting = 1 AND asker > askers.asker)
    FROM askers WHERE asker IS NOT NULL),
{BUSY}, turns AS (SELECT {COLUMNS}, {TURN} AS turn FROM askers JOIN asks ON asks.rowid IN (
    SELECT rowid FROM asks WHERE waiting = 1 AND asker = askers.asker AND due_at <= :now
    AND kind IN (SELECT value FROM json_each(:kinds))
    ORDER BY first DESC, asked_at, rowid LIMIT :most) WHERE askers.asker IS NOT NULL)
{FAIR}"""
KINDS = """WITH RECURSIVE kinds(kind) AS (
    SELECT MIN(kind) FROM asks WHERE waiting = 1 UNION ALL
    SELECT (SELECT MIN(kind) FROM asks WHERE waiting = 1 AND kind > kinds.kind)
    FROM kinds WHERE kind IS NOT NULL)
SELECT kind FROM kinds WHERE kind IS NOT NULL"""
WAITING = """SELECT id, lane, tool, schema_id FROM runs
    WHERE ended_at = 0 AND published_at > 0 AND state = 'queued' ORDER BY published_at"""
JOB = "id, publication, tool, schema_id, request, lane, ticket, base, host_gib, limit_s"
TAKE = f"""UPDATE runs SET published_at = ?, publication = publication + 1 WHERE id = ?
    RETURNING {JOB}"""
TAKEN = "UPDATE asks SET waiting = 0 WHERE run_id = ?"


@dataclass(frozen=True, slots=True)
class Kind:
    """What decides which workers can do a run."""

    lane: str
    tool: str
    schema_id: str

    def text(self) -> str:
        """As the column ``asks.kind`` has it."""
        return f"{self.lane} {self.tool} {self.schema_id}"

    @classmethod
    def of(cls, text: str) -> Kind:
        """The kind of that text."""
        return cls(*text.split(" "))


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that waits."""

    run_id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Hand:
    """A worker that is online: what it can take, and whether it is free."""

    worker: str
    lanes: frozenset[str]
    tools: frozenset[tuple[str, str]]  # (name, schema)
    free: bool

    def serves(self, kind: Kind) -> bool:
        """Whether such a run can be done by it at all."""
        return kind.lane in self.lanes and (kind.tool, kind.schema_id) in self.tools


class Room:
    """What may be on the broker unclaimed: one run for each free worker, and the spare ones."""

    def __init__(self, hands: Iterable[Hand]) -> None:
        self._hands = sorted(hands, key=lambda hand: len(hand.lanes))  # keep the able ones longest
        self._free = [hand for hand in self._hands if hand.free]
        self._spare: Counter[str] = Counter()

    def hold(self, kind: Kind) -> None:
        """One of that kind is out there already."""
        if not self._reserve(kind):
            self._spare[kind.lane] += 1

    def has(self, kind: Kind) -> bool:
        """Whether one more of that kind may go out."""
        if any(hand.serves(kind) for hand in self._free):
            return True
        served = any(hand.serves(kind) for hand in self._hands)
        return served and self._spare[kind.lane] < SPARE

    def most(self) -> int:
        """No more than that many can be taken."""
        return len(self._free) + SPARE * len({lane for hand in self._hands for lane in hand.lanes})

    def _reserve(self, kind: Kind) -> bool:
        for place, hand in enumerate(self._free):
            if hand.serves(kind):
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
    """All that waits in SQLite, the next one first; a shared run stands where its best ask does."""
    rows = db.conn.execute(ALL).fetchall()
    return [Queued(run, Kind.of(kind)) for run, kind in dict(rows).items()]


def waiting(db: Database) -> list[Queued]:
    """All that is on the broker and that no worker has claimed."""
    return [Queued(run, Kind(*kind)) for run, *kind in db.conn.execute(WAITING).fetchall()]


def take(db: Database, hands: Iterable[Hand], now: float) -> list[Taken]:
    """Mark what goes to the broker now, in the fair order; inside a change of the store."""
    room = Room(hands)
    taken: list[Taken] = []
    if not room.most():
        return taken
    for run in waiting(db):
        room.hold(run.kind)
    while found := _take_some(db, room, now):
        taken += found
    return taken


def _take_some(db: Database, room: Room, now: float) -> list[Taken]:
    kinds = [kind for (kind,) in db.conn.execute(KINDS) if room.has(Kind.of(kind))]
    if not kinds:
        return []
    given = {"now": now, "kinds": json.dumps(kinds), "most": room.most()}
    taken = []
    for run, text in dict(db.conn.execute(NEXT, given).fetchall()).items():
        kind = Kind.of(text)
        if room.has(kind):
            room.hold(kind)
            db.conn.execute(TAKEN, [run])
            taken.append(Taken(*db.conn.execute(TAKE, [now, run]).fetchone()))
    return taken


def taken(db: Database, run: str) -> list[Taken]:
    """The last publication of a run that is on the broker; none when it is not, or is over."""
    sql = f"SELECT {JOB} FROM runs WHERE id = ? AND ended_at = 0 AND published_at > 0"
    return [Taken(*row) for row in db.conn.execute(sql, [run]).fetchall()]
