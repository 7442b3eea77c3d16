"""A run that is not over, as the bot holds it in memory; SQLite has the same and is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from bot.jobs.order import Kind
from bot.jobs.words import State


@dataclass(frozen=True, slots=True)
class Ask:
    """One person's wish for a run; ``asker`` is the key that fairness and limits go by."""

    result_id: str
    run_id: str
    asker: str
    user_id: str
    first: bool
    asked_at: float


@dataclass(slots=True)
class Run:
    """``published_at`` is 0 while it waits in SQLite; ``confirmed``: the broker has stored it.

    ``attempt`` is the highest that a worker claimed, ``worker`` who did; ``base`` attempts were
    made by earlier publications. ``settled``: its end is believed and being recorded.
    """

    id: str
    tool: str
    schema_id: str
    lane: str
    ticket: str
    created_at: float
    state: Literal["queued", "running"] = "queued"
    publication: int = 0
    published_at: float = 0.0
    confirmed: bool = False
    base: int = 0
    attempt: int = 0
    worker: str = ""
    machine: str = ""
    started_at: float = 0.0
    returned: int = 0
    cancelling: bool = False
    fraction: float = 0.0
    words: str = ""
    why: str = ""
    partial: dict[str, JsonValue] | None = None
    settled: bool = False
    sending: bool = False
    missing_since: float = 0.0
    asks: dict[str, Ask] = field(default_factory=dict)
    watchers: set[asyncio.Event] = field(default_factory=set)

    @property
    def kind(self) -> Kind:
        """What decides who can do it."""
        return Kind(self.lane, self.tool, self.schema_id)

    def touch(self) -> None:
        """Tell who watches that something changed."""
        for watcher in self.watchers:
            watcher.set()

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Around the recording of what nobody may change meanwhile; undone where that fails."""
        before, self.settled = self.settled, True
        try:
            yield
        except BaseException:
            self.settled = before
            raise

    def claimed(self, attempt: int, worker: str, machine: str, at: float) -> None:
        """``worker`` owns ``attempt``; what an earlier one had reached is void."""
        self.state, self.attempt, self.worker, self.machine = "running", attempt, worker, machine
        self.started_at, self.fraction, self.words, self.partial = at, 0.0, "", None
        self.missing_since = 0.0
        self.touch()

    def requeued(self, base: int) -> None:
        """Back in SQLite's queue; ``base`` attempts are behind it."""
        self.state, self.published_at, self.confirmed, self.base = "queued", 0.0, False, base
        self.attempt, self.worker, self.machine, self.started_at = base, "", "", 0.0
        self.fraction, self.words, self.partial, self.missing_since = 0.0, "", None, 0.0
        self.touch()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends. ``result`` and ``refusal`` are JSON texts for the answers, or None."""

    state: State
    at: float
    cause: str = ""
    words: str = ""
    result: str | None = None
    refusal: str | None = None
    run_s: float = 0.0
