"""The fair order of what waits, decided in SQLite, and what of it goes to the broker now.

Start-time fair queueing (Goyal, Vin, Cheng 1996): a run gets a number when it is asked for, one
after the asker's last and not before the number that went out last, and the lowest goes first. So
all take turns, and fifty runs of one never delay the first of another. Maintainers' runs go before
all, in numbers of their own. Only what free workers can take now leaves SQLite, plus one a lane,
which a worker finds without waiting for us; where runs are shorter than our way there and back it
is a few, 0.2 s of work at most.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SPARE = 1
# Publishing the next run takes 5 to 10 ms after one was claimed: with one spare the worker waits
# for us when a run takes less.
SHORT_S, SPARE_OF_SHORT = 0.05, 4

TURN = """SELECT MAX(
    COALESCE((SELECT number FROM turns WHERE first = :first), 0),
    COALESCE((SELECT MAX(turn) + 1 FROM asks
        WHERE asker = :asker AND first = :first AND state != 'cancelled'), 0))"""
WENT = """INSERT INTO turns (first, number) VALUES (?, ?)
    ON CONFLICT (first) DO UPDATE SET number = MAX(number, excluded.number)"""
FAIR = "ORDER BY first DESC, turn, asked_at, rowid"
ALL = f"SELECT run_id, kind FROM asks WHERE waiting = 1 {FAIR}"
NEXT = f"""SELECT run_id, kind, first, turn FROM asks INDEXED BY asks_waiting
    WHERE waiting = 1 AND due_at <= :now AND kind IN (SELECT value FROM json_each(:kinds))
    {FAIR} LIMIT :most"""
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

    def __init__(self, hands: Iterable[Hand], short: Container[str] = ()) -> None:
        self._hands = sorted(hands, key=lambda hand: len(hand.lanes))  # keep the able ones longest
        self._free = [hand for hand in self._hands if hand.free]
        self._short = short
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
        return served and self._spare[kind.lane] < self._spare_of(kind.lane)

    def most(self) -> int:
        """No more than that many can be taken."""
        lanes = {lane for hand in self._hands for lane in hand.lanes}
        return len(self._free) + sum(map(self._spare_of, lanes))

    def _spare_of(self, lane: str) -> int:
        return SPARE_OF_SHORT if lane in self._short else SPARE

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


def turn_of(db: Database, asker: str, first: bool) -> int:
    """The number of the next run of ``asker``."""
    turn: int = db.conn.execute(TURN, {"asker": asker, "first": int(first)}).fetchone()[0]
    return turn


def in_order(db: Database) -> list[Queued]:
    """All that waits in SQLite, the next one first; a shared run stands where its best ask does."""
    return [Queued(run, Kind.of(kind)) for run, kind in dict(db.conn.execute(ALL)).items()]


def waiting(db: Database) -> list[Queued]:
    """All that is on the broker and that no worker has claimed."""
    return [Queued(run, Kind(*kind)) for run, *kind in db.conn.execute(WAITING).fetchall()]


def take(
    db: Database, hands: Iterable[Hand], now: float, short: Container[str] = ()
) -> list[Taken]:
    """Mark what goes to the broker now, in the fair order; inside a change of the store.

    ``short``: the lanes whose last runs took less than ``SHORT_S``.
    """
    room = Room(hands, short)
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
    taken: dict[str, Taken] = {}
    for run, text, first, turn in db.conn.execute(NEXT, given).fetchall():
        kind = Kind.of(text)
        if run not in taken and room.has(kind):
            room.hold(kind)
            db.conn.execute(TAKEN, [run])
            db.conn.execute(WENT, [first, turn])
            taken[run] = Taken(*db.conn.execute(TAKE, [now, run]).fetchone())
    return list(taken.values())


def taken(db: Database, run: str) -> list[Taken]:
    """The last publication of a run that is on the broker; none when it is not, or is over."""
    sql = f"SELECT {JOB} FROM runs WHERE id = ? AND ended_at = 0 AND published_at > 0"
    return [Taken(*row) for row in db.conn.execute(sql, [run]).fetchall()]
