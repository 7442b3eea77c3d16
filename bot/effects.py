"""Effects on the outside world as rows: written with the change that wants them, kept for good.

A row is ``waiting`` (certainly not done yet), ``unknown`` (an attempt was made and may have done
it), ``sent`` (done; the receipt says what) or ``never`` (given up; the reason says why).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

if TYPE_CHECKING:
    from sqlite_utils import Database

Receipt = dict[str, JsonValue]
Standing = Literal["waiting", "unknown", "sent", "never"]

COLUMNS = """key, kind, payload, after, state, attempts, first_at, due_at, created_at, receipt,
    reason"""
INSERT = """INSERT OR IGNORE INTO outbox (key, kind, payload, after, after_until, state, due_at,
    attempts, first_at, attempted_at, receipt, reason, created_at, ended_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, '{}', '', ?, 0)"""
SELECT = f"SELECT {COLUMNS} FROM outbox WHERE key = ?"
# An effect whose forerunner was given up is made all the same: its sender knows what to leave out.
FREE = """(outbox.after = '' OR (after_until > 0 AND after_until <= :now) OR EXISTS (SELECT 1
    FROM outbox AS b WHERE b.key = outbox.after AND b.state IN ('sent', 'never')))"""
OPEN = "state IN ('waiting', 'unknown')"
DUE = f"""SELECT {COLUMNS} FROM outbox WHERE kind = :kind AND {OPEN} AND due_at <= :now
    AND {FREE} ORDER BY due_at, rowid LIMIT :limit"""
NEXT = f"SELECT MIN(due_at) FROM outbox WHERE kind = :kind AND {OPEN} AND due_at > :now"
# Every attempt and every settling moves ``due_at``: a row that was read before one of them and is
# worked on after it no longer matches, so nothing is done twice because a reader was slow. What
# was given up may be asked for anew, with another payload, under the same key: ``created_at``.
ATTEMPT = f"""UPDATE outbox SET state = 'unknown', attempts = attempts + 1, attempted_at = :now,
    first_at = CASE first_at WHEN 0 THEN :now ELSE first_at END, due_at = :due
    WHERE key = :key AND due_at = :was_due AND created_at = :created AND {OPEN}"""
SETTLE = f"""UPDATE outbox SET state = :state, due_at = :due, receipt = :receipt, reason = :reason,
    attempts = :attempts, ended_at = :ended WHERE key = :key AND {OPEN}"""

# The row and its receipt stay for good, or it would be done again; a chart is 100 kB of base64.
KEPT_S = 90 * 86_400.0
LET_GO = """UPDATE outbox SET payload = '{}' WHERE key IN (SELECT key FROM outbox
    WHERE ended_at > 0 AND payload != '{}' AND ended_at <= ? ORDER BY ended_at LIMIT ?)"""
HASTEN = """UPDATE outbox SET due_at = :now WHERE kind = :kind AND state = 'waiting'
    AND due_at > :now AND json_extract(payload, :path) = :value"""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to be done outside, once for each ``key``.

    ``after`` is the key of an effect that must be over first, for which it waits at most
    ``after_wait_s`` seconds (0: for as long as it takes). ``not_before``: Unix seconds.
    """

    key: str
    kind: str
    payload: Mapping[str, JsonValue]
    after: str = ""
    after_wait_s: float = 0.0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of an effect; ``reason`` is why it was put off or given up."""

    state: Standing
    receipt: Receipt
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Row:
    """An effect and how it stands; ``first_at``: its first attempt, 0 before that; ``due_at``:
    when it was to be worked on; ``created_at``: when it was enqueued.
    """

    effect: Effect
    first_at: float
    due_at: float
    created_at: float
    told: Told


def enqueue(
    db: Database, effect: Effect, now: float | None = None, *, doubtful: bool = False
) -> bool:
    """Add ``effect`` inside a change of the store; False when its key is there already.

    ``doubtful``: a database that is lost may have known of it, so it is looked for first.
    """
    now = time.time() if now is None else now
    until = now + effect.after_wait_s if effect.after_wait_s > 0 else 0.0
    payload = json.dumps(dict(effect.payload))
    state = "unknown" if doubtful else "waiting"
    values = [effect.key, effect.kind, payload, effect.after, until, state, effect.not_before, now]
    return db.conn.execute(INSERT, values).rowcount > 0


def adopt(db: Database, effect: Effect, receipt: Receipt, now: float | None = None) -> bool:
    """Keep an effect that was done before this database knew of it; False when its key is there
    already.
    """
    now = time.time() if now is None else now
    if not enqueue(db, effect, now):
        return False
    settle(db, effect.key, Told("sent", receipt, "", 0), now, now)
    return True


def row_of(db: Database, key: str) -> Row | None:
    """The effect of that key, None when there is none."""
    found = db.conn.execute(SELECT, [key]).fetchone()
    return _row(found) if found is not None else None


def due(db: Database, kind: str, now: float, limit: int) -> tuple[list[Row], float | None]:
    """What of ``kind`` is to be worked on now, the longest due first; when the next will be."""
    given = {"kind": kind, "now": now, "limit": limit}
    rows = [_row(columns) for columns in db.conn.execute(DUE, given).fetchall()]
    return rows, db.conn.execute(NEXT, given).fetchone()[0]


def attempt(db: Database, row: Row, now: float, due_at: float) -> bool:
    """An attempt begins: from now on it may have been done, until it is settled. False when
    something happened to it since ``row`` was read; then there must be none.
    """
    given = {
        "key": row.effect.key, "was_due": row.due_at, "created": row.created_at, "now": now,
        "due": due_at,
    }  # fmt: skip
    return db.conn.execute(ATTEMPT, given).rowcount > 0


def hasten(db: Database, kind: str, name: str, value: str, now: float) -> None:
    """What of ``kind`` waits with ``value`` in its payload's field ``name`` is due now."""
    given = {"kind": kind, "path": f"$.{name}", "value": value, "now": now}
    db.conn.execute(HASTEN, given)


def let_go(db: Database, now: float, most: int) -> int:
    """Empty the payloads of ``most`` effects that ended ``KEPT_S`` ago; how many were."""
    return db.conn.execute(LET_GO, [now - KEPT_S, most]).rowcount


def settle(db: Database, key: str, told: Told, due_at: float, now: float) -> bool:
    """How the effect stands after an attempt or a look; ``due_at``: when it is worked on again.
    False when it was over already.
    """
    values = {
        "key": key,
        "state": told.state,
        "due": due_at,
        "receipt": json.dumps(told.receipt),
        "reason": told.reason,
        "attempts": told.attempts,
        "ended": now if told.state in ("sent", "never") else 0.0,
    }
    return db.conn.execute(SETTLE, values).rowcount > 0


def _row(columns: tuple[Any, ...]) -> Row:
    key, kind, payload, after, state, attempts, first_at, due_at, created_at, *end = columns
    effect = Effect(key, kind, json.loads(payload), after)
    told = Told(state, json.loads(end[0]), end[1], attempts)
    return Row(effect, first_at, due_at, created_at, told)
