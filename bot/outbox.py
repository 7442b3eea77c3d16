"""Effects on the outside world, each exactly once: posted messages, Discussions, comments.

A row is written with the change that wants the effect. An attempt is on disk before its request
leaves; one that was neither confirmed nor certainly refused is unknown, and is looked for where it
should stand, once a late request can no longer arrive, before there is another.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import JsonValue

from bot.store import Store

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

GRACE_S = 45.0  # after an attempt, before it is looked for: its own limit, and 15 s to arrive late
SEND_LIMIT_S = 30.0
FIND_LIMIT_S = 120.0
FINISH_S = 3.0
LOOK_S = 2.0  # a safety net under ``wake``
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0

Receipt = dict[str, JsonValue]
Standing = Literal["waiting", "unknown", "sent", "never"]

COLUMNS = "key, kind, payload, after, state, attempts, first_at, receipt, reason"
INSERT = """INSERT OR IGNORE INTO outbox (key, kind, payload, after, after_until, state, due_at,
    attempts, first_at, attempted_at, receipt, reason, created_at, ended_at)
    VALUES (?, ?, ?, ?, ?, 'waiting', ?, 0, 0, 0, '{}', '', ?, 0)"""
# An effect whose forerunner was given up is made all the same: its sender knows what to leave out.
FREE = """(outbox.after = '' OR (after_until > 0 AND after_until <= :now) OR EXISTS (SELECT 1
    FROM outbox AS b WHERE b.key = outbox.after AND b.state IN ('sent', 'never')))"""
OPEN = "state IN ('waiting', 'unknown')"
DUE = f"""SELECT {COLUMNS} FROM outbox WHERE kind = :kind AND {OPEN} AND due_at <= :now
    AND {FREE} ORDER BY due_at, rowid LIMIT :limit"""
NEXT = f"SELECT MIN(due_at) FROM outbox WHERE kind = :kind AND {OPEN} AND due_at > :now"
ATTEMPT = """UPDATE outbox SET state = 'unknown', attempts = attempts + 1, attempted_at = :now,
    first_at = CASE first_at WHEN 0 THEN :now ELSE first_at END, due_at = :due WHERE key = :key"""
SETTLE = """UPDATE outbox SET state = :state, due_at = :due, receipt = :receipt, reason = :reason,
    ended_at = :ended WHERE key = :key"""


class Later(Exception):
    """It was certainly not done; again after ``after_s`` seconds (0: a growing pause)."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Never(Exception):
    """It was certainly not done and never will be; the message says why."""


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


class Sender(Protocol):
    """Does one kind of effect. The effect must carry its key, so that ``find`` can know it."""

    async def send(self, effect: Effect) -> Receipt:
        """Do it; what comes back is kept. Raises ``Later`` or ``Never`` where it was certainly
        not done; any other error leaves that open.
        """

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """The receipt if it was done at ``since`` (Unix seconds) or later, None if it was not.
        Raises anything where that cannot be told now.
        """


@dataclass(frozen=True, slots=True)
class _Row:
    effect: Effect
    first_at: float
    told: Told


@dataclass(slots=True)
class _Kind:
    """A kind's sender and pace; ``in_hand`` are the keys that are being worked on."""

    name: str
    sender: Sender
    every_s: float
    at_once: int
    send_limit_s: float
    grace_s: float
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    in_hand: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    next_turn: float = 0.0


def enqueue(db: Database, effect: Effect, now: float | None = None) -> bool:
    """Add ``effect`` inside a change of the store; False when its key is there already."""
    now = time.time() if now is None else now
    until = now + effect.after_wait_s if effect.after_wait_s > 0 else 0.0
    payload = json.dumps(dict(effect.payload))
    values = [effect.key, effect.kind, payload, effect.after, until, effect.not_before, now]
    return db.conn.execute(INSERT, values).rowcount > 0


class Outbox:
    """One for the process. ``clock`` gives Unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def register(
        self,
        kind: str,
        sender: Sender,
        *,
        every_s: float = 0.0,
        at_once: int = 1,
        send_limit_s: float = SEND_LIMIT_S,
        grace_s: float = GRACE_S,
    ) -> None:
        """Say who does effects of ``kind``, before ``run``.

        ``every_s`` seconds at least lie between two attempts; ``at_once`` may be under way. An
        attempt is ended after ``send_limit_s`` and looked for ``grace_s`` after it began, which
        must leave it the time to arrive late.
        """
        if send_limit_s >= grace_s:
            raise ValueError(f"{kind}: an attempt would be looked for while it is under way")
        self._kinds[kind] = _Kind(kind, sender, every_s, at_once, send_limit_s, grace_s)

    def wake(self) -> None:
        """Look now: something was enqueued."""
        for kind in self._kinds.values():
            kind.wake.set()

    async def state_of(self, key: str) -> Told | None:
        """What is known of the effect ``key``; None when there is none."""
        sql = f"SELECT {COLUMNS} FROM outbox WHERE key = ?"
        found = await self._store.read(lambda db: db.conn.execute(sql, [key]).fetchone())
        return _row(found).told if found is not None else None

    async def run(self) -> None:
        """Work until cancelled; what is under way then has ``FINISH_S`` to end, and is otherwise
        looked for after the next start.
        """
        async with asyncio.TaskGroup() as group:
            for kind in self._kinds.values():
                group.create_task(self._serve(kind), name=f"outbox-{kind.name}")

    async def _serve(self, kind: _Kind) -> None:
        try:
            while True:
                kind.wake.clear()
                pause_s = LOOK_S
                try:
                    pause_s = await self._begin_due(kind)
                except Exception:
                    log.exception("the outbox could not be read")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await kind.wake.wait()
        finally:
            await _finish(list(kind.in_hand.values()))

    async def _begin_due(self, kind: _Kind) -> float:
        """Begin what is due and has room; the seconds until something else may be."""
        now = self._clock()
        limit = kind.at_once + len(kind.in_hand)
        given = {"kind": kind.name, "now": now, "limit": limit}

        def query(db: Database) -> tuple[list[Any], float | None]:
            due = db.conn.execute(DUE, given).fetchall()
            return due, db.conn.execute(NEXT, given).fetchone()[0]

        due, later = await self._store.read(query)
        for row in map(_row, due):
            if row.effect.key not in kind.in_hand and len(kind.in_hand) < kind.at_once:
                task = asyncio.create_task(self._step(kind, row), name=f"outbox {row.effect.key}")
                kind.in_hand[row.effect.key] = task
        return min(LOOK_S, max(later - now, 0.0)) if later is not None else LOOK_S

    async def _step(self, kind: _Kind, row: _Row) -> None:
        """Bring one effect as far as it goes now."""
        try:
            if row.told.state == "waiting" or not await self._was_done(kind, row):
                await self._attempt(kind, row)
        except Exception:
            log.exception("%s could not be worked on", row.effect.key)
            await asyncio.sleep(LOOK_S)  # the disk is full, perhaps
        finally:
            del kind.in_hand[row.effect.key]
            self.wake()  # for the next of this kind, and for what waited for this one

    async def _was_done(self, kind: _Kind, row: _Row) -> bool:
        """Whether an attempt of unknown outcome did it, or that cannot be told yet."""
        try:
            async with asyncio.timeout(FIND_LIMIT_S):
                receipt = await kind.sender.find(row.effect, row.first_at)
        except Exception as error:
            log.info("%s cannot be looked for: %r", row.effect.key, error)
            due = self._clock() + _pause_s(row.told.attempts)
            await self._settle(row, "unknown", due, reason=_words(error))
            return True
        if receipt is not None:
            log.info("%s was done by an attempt that had no answer", row.effect.key)
            await self._settle(row, "sent", receipt=receipt)
        return receipt is not None

    async def _attempt(self, kind: _Kind, row: _Row) -> None:
        await self._take_turn(kind)
        now = self._clock()
        attempt = {"key": row.effect.key, "now": now, "due": now + kind.grace_s}
        await self._store.write(lambda db: db.conn.execute(ATTEMPT, attempt))
        try:
            async with asyncio.timeout(kind.send_limit_s):
                receipt = await kind.sender.send(row.effect)
        except Later as later:
            due = self._clock() + (later.after_s or _pause_s(row.told.attempts))
            log.info("%s is put off: %s", row.effect.key, later)
            await self._settle(row, "waiting", due, reason=_words(later))
        except Never as never:
            log.warning("%s is given up: %s", row.effect.key, never)
            await self._settle(row, "never", reason=_words(never))
        except Exception as error:
            log.warning("%s may have been done or not: %r", row.effect.key, error)
            due = max(now + kind.grace_s, self._clock() + _pause_s(row.told.attempts))
            await self._settle(row, "unknown", due, reason=_words(error))
        else:
            await self._settle(row, "sent", receipt=receipt)

    async def _take_turn(self, kind: _Kind) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, kind.next_turn)
        kind.next_turn = turn + kind.every_s
        await asyncio.sleep(turn - now)

    async def _settle(
        self, row: _Row, state: Standing, due: float = 0.0, receipt: Receipt | None = None,
        reason: str = "",
    ) -> None:  # fmt: skip
        values = {
            "key": row.effect.key,
            "state": state,
            "due": due,
            "receipt": json.dumps(receipt or {}),
            "reason": reason,
            "ended": self._clock() if state in ("sent", "never") else 0.0,
        }
        await self._store.write(lambda db: db.conn.execute(SETTLE, values))


async def _finish(tasks: list[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=FINISH_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _row(columns: tuple[Any, ...]) -> _Row:
    key, kind, payload, after, state, attempts, first_at, receipt, reason = columns
    effect = Effect(key, kind, json.loads(payload), after)
    return _Row(effect, first_at, Told(state, json.loads(receipt), reason, attempts))


def _pause_s(attempts: int) -> float:
    """5 s after the first attempt, then twice that, up to 5 minutes."""
    return min(FIRST_PAUSE_S * 2.0 ** min(attempts, 10), LONGEST_PAUSE_S)


def _words(error: Exception) -> str:
    """What an error says; one that says nothing has at least a name."""
    return str(error)[:300] or type(error).__name__
