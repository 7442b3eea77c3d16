"""What the doors read of a run and of a worker, and who may ask for runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from bot.results import Deleter, StoredResult
from compute.jobs.job import Machine
from compute.tool import AnyTool, Needs, Request

State = Literal["queued", "running", "done", "refused", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"done", "refused", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one person's run is.

    ``place`` counts from 1 while queued (1 = next). ``wait_low_s`` and ``wait_high_s`` bound the
    honest guess of the time until it starts, None while nothing is known to guess from; ``left_s``
    is the guess for what remains once it runs. ``why`` says what a queued run waits for when that
    is not just its turn ("no worker with sm_90 is online"). ``partial`` is a result so far.
    """

    result_id: str
    tool: str
    state: State
    place: int = 0
    wait_low_s: float | None = None
    wait_high_s: float | None = None
    left_s: float | None = None
    fraction: float = 0.0
    words: str = ""
    why: str = ""
    worker: str = ""
    machine: str = ""
    attempt: int = 0
    partial: dict[str, JsonValue] | None = None
    asked_at: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED


Delivery = Literal["", "waiting", "posted", "by direct message", "page only"]


@dataclass(frozen=True, slots=True)
class AskedRun:
    """One line of /jobs: ``line`` is the command as typed; ``delivery`` where the answer went."""

    progress: Progress
    line_inputs: dict[str, JsonValue]
    finished_at: float | None
    delivery: Delivery = ""


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """One worker as /workers shows it; ``trouble`` is a sentence (outdated, ...), "" when well."""

    name: str
    machine: Machine
    lanes: tuple[str, ...]
    version: str
    online: bool
    seen_at: float
    job: str
    tool: str
    load: float
    gpu_load: float | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A fetched artefact, on the bot's disk under its content hash."""

    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one asker may have: runs in an hour, in a day, at once, and whether they go first.

    ``refusal`` is a sentence when they may run nothing here at all, else "".
    """

    per_hour: int
    at_once: int
    first: bool = False
    refusal: str = ""
    per_day: int = 1_000_000  # no limit


class Policy(Protocol):
    """Who may ask for runs; moderators' /config stands behind it where there is one."""

    def allowance(self, row: StoredResult, roles: tuple[str, ...]) -> Allowance:
        """What the asker of ``row`` may have, given the ids of the roles they hold there."""


Cancelled = Literal["cancelled", "cancelling", "ended", "not yours", "unknown"]


class Live(Protocol):
    """What /jobs and /workers read."""

    async def of_user(self, user_id: str, limit: int = 10) -> list[AskedRun]:
        """The newest runs that this member of Discord asked for, newest first."""

    def workers(self) -> list[WorkerLine]:
        """Every worker that is known, from memory."""


class Runs(Live, Protocol):
    """What the doors ask of ``bot.jobs.service.Jobs``."""

    async def submit(
        self,
        row: StoredResult,
        tool: AnyTool,
        request: Request,
        needs: Needs,
        roles: tuple[str, ...] = (),
    ) -> Progress:
        """Keep ``row`` and queue its run. Raises ``Refused`` with a sentence."""

    async def progress(self, result_id: str) -> Progress | None:
        """How far it is; None when no run belongs to that answer."""

    def watch(self, result_id: str) -> AsyncIterator[Progress]:
        """Each change, at most one a second, and the end."""

    async def cancel(self, result_id: str, by: Deleter) -> Cancelled:
        """End it: at once while it is queued, else its worker is told."""

    async def forget(self, result_id: str) -> None:
        """A result was deleted: nothing waits for its run any more."""

    async def delivered(self, result_id: str, delivery: Delivery) -> None:
        """Keep where the answer went, for /jobs."""
