"""Does effects on the outside world, each exactly once: posted messages, Discussions, comments.

An attempt is on disk before its request leaves. One that was neither confirmed nor certainly
refused is unknown: once a late request can no longer arrive, it is looked for where it should
stand, and only what is not there is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bot import effects
from bot.effects import Effect, Receipt, Row, Standing, Told, enqueue
from bot.store import Store
from compute.ending import end

__all__ = ["Effect", "Later", "Never", "Outbox", "Receipt", "Sender", "Told", "enqueue"]

log = logging.getLogger(__name__)

GRACE_S = 45.0  # after an attempt, before it is looked for: its own limit, and 15 s to arrive late
SEND_LIMIT_S = 30.0
FIND_LIMIT_S = 120.0
FINISH_S = 3.0
LET_GO_MOST = 200  # in one change: 20 MB of charts, perhaps
LOOK_S = 2.0  # a safety net under ``wake``
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0


class Later(Exception):
    """It was certainly not done; again after ``after_s`` seconds (0: a growing pause).

    ``all_of_it``: nothing of this kind can be done until then, so nothing is tried.
    """

    def __init__(self, reason: str, after_s: float = 0.0, *, all_of_it: bool = False) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.all_of_it = all_of_it


class Never(Exception):
    """It was certainly not done and never will be; the message says why."""


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
    quiet_until: float = 0.0


class Outbox:
    """One for the process. ``clock`` gives Unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}
        self._listeners: list[Callable[[Effect, Told], None]] = []

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

    async def hasten(self, kind: str, name: str, value: str) -> None:
        """Try now what of ``kind`` waits with ``value`` in its payload's field ``name``."""
        now = self._clock()
        await self._store.write(lambda db: effects.hasten(db, kind, name, value, now))
        self.wake()

    def listen(self, ended: Callable[[Effect, Told], None]) -> None:
        """Tell ``ended`` of each effect that is done or given up, once that is on disk."""
        self._listeners.append(ended)

    async def state_of(self, key: str) -> Told | None:
        """What is known of the effect ``key``; None when there is none."""
        row = await self._store.read(lambda db: effects.row_of(db, key))
        return row.told if row is not None else None

    async def let_go(self) -> int:
        """Empty what ended long ago of what was sent; how many were. Their keys stay."""
        now, gone = self._clock(), 0
        while some := await self._store.write(lambda db: effects.let_go(db, now, LET_GO_MOST)):
            gone += some
        return gone

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
        if now < kind.quiet_until:
            return min(LOOK_S, kind.quiet_until - now)
        limit = kind.at_once + len(kind.in_hand)
        rows, later = await self._store.read(lambda db: effects.due(db, kind.name, now, limit))
        for row in rows:
            if row.effect.key not in kind.in_hand and len(kind.in_hand) < kind.at_once:
                task = asyncio.create_task(self._step(kind, row), name=f"outbox {row.effect.key}")
                kind.in_hand[row.effect.key] = task
        return min(LOOK_S, max(later - now, 0.0)) if later is not None else LOOK_S

    async def _step(self, kind: _Kind, row: Row) -> None:
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

    async def _was_done(self, kind: _Kind, row: Row) -> bool:
        """Whether an attempt of unknown outcome did it, or that cannot be told yet."""
        tries = row.told.attempts
        try:
            async with asyncio.timeout(FIND_LIMIT_S):
                receipt = await kind.sender.find(row.effect, row.first_at)
        except Exception as error:
            log.info("%s cannot be looked for: %r", row.effect.key, error)
            pause_s = self._hush(kind, error) or _pause_s(tries)
            await self._settle(row, Told("unknown", {}, _words(error), tries), pause_s)
            return True
        if receipt is not None:
            log.info("%s was done by an attempt that had no answer", row.effect.key)
            await self._settle(row, Told("sent", receipt, "", tries))
        return receipt is not None

    async def _attempt(self, kind: _Kind, row: Row) -> None:
        await self._take_turn(kind)
        now, before = self._clock(), row.told.attempts
        due_at = now + kind.grace_s
        if not await self._store.write(lambda db: effects.attempt(db, row, now, due_at)):
            return  # it was read before its last attempt ended
        state: Standing = "sent"
        receipt: Receipt = {}
        reason, pause_s, tries = "", 0.0, before + 1
        try:
            async with asyncio.timeout(kind.send_limit_s):
                receipt = await kind.sender.send(row.effect)
        except Later as later:
            state, reason = "waiting", _words(later)
            # A pause that was asked for is no failure: it makes no later one longer.
            tries = before if later.after_s else tries
            pause_s = self._hush(kind, later) or _pause_s(before)
            log.info("%s is put off: %s", row.effect.key, later)
        except Never as never:
            state, reason = "never", _words(never)
            log.warning("%s is given up: %s", row.effect.key, never)
        except Exception as error:
            state, reason = "unknown", _words(error)
            pause_s = max(due_at - self._clock(), _pause_s(before))
            log.warning("%s may have been done or not: %r", row.effect.key, error)
        await self._settle(row, Told(state, receipt, reason, tries), pause_s)

    def _hush(self, kind: _Kind, error: Exception) -> float:
        """The pause that ``error`` asks for, if any; perhaps for all of its kind."""
        if not isinstance(error, Later):
            return 0.0
        if error.all_of_it:
            kind.quiet_until = self._clock() + error.after_s
        return error.after_s

    async def _take_turn(self, kind: _Kind) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, kind.next_turn)
        kind.next_turn = turn + kind.every_s
        await asyncio.sleep(turn - now)

    async def _settle(self, row: Row, told: Told, pause_s: float = 0.0) -> None:
        now = self._clock()
        key, due_at = row.effect.key, now + pause_s
        new = await self._store.write(lambda db: effects.settle(db, key, told, due_at, now))
        if new and told.state in ("sent", "never"):
            for listener in self._listeners:
                try:
                    listener(row.effect, told)
                except Exception:  # the effect is done all the same
                    log.exception("%s: nobody could be told", key)


async def _finish(tasks: list[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=FINISH_S)
    await end(*tasks)


def _pause_s(attempts: int) -> float:
    """5 s after the first attempt, then twice that, up to 5 minutes."""
    return min(FIRST_PAUSE_S * 2.0 ** min(attempts, 10), LONGEST_PAUSE_S)


def _words(error: Exception) -> str:
    """What an error says; one that says nothing has at least a name."""
    return str(error)[:300] or type(error).__name__
