"""Runs a tool for whoever asks: checks the inputs, runs it here, and keeps the outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, ValidationError

from bot.house import NO_WORKER, House
from bot.results import Door, Results, StoredResult, new_result_id
from compute.inputs import check_inputs, short_name, shown
from compute.tool import AnyTool, Context, Needs, Refusal, Refused, Request, Result
from content.library import Library

if TYPE_CHECKING:  # `k2c throughput` needs none of the queue
    from bot.jobs.words import Progress, Runs

log = logging.getLogger(__name__)

SECONDS_A_DAY = 86_400
LOGGED = 300  # characters of a refusal that go into the log
FAILED = Refusal(
    message="Something went wrong on my side. The reference below finds it in my log.",
    our_fault=True,
)
NOT_AT_ONCE = Refusal(message="This takes longer than a moment: press Run to start it.")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked, through which door, where; ``private`` answers are shown to them alone.

    ``delete_key`` lets a web visitor, who has no account, delete what they made. ``roles`` are
    the ids of those that a member holds in that server.
    """

    door: Door
    user_id: str = ""
    guild_id: str = ""
    channel_id: str = ""
    private: bool = False
    delete_key: str = ""
    roles: tuple[str, ...] = ()


LiveRun = Callable[[House, Any, Asker], Awaitable[Result]]  # the request is the tool's own


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, a refusal, or a run that is not over: then there is neither yet, and ``pending``
    says how far it is where that is known. ``inputs`` are as typed, so that nothing typed is ever
    lost. ``saved`` is done once the row is on disk: a door may answer first and await it after;
    None when it is there already.
    """

    id: str
    tool: AnyTool
    inputs: Mapping[str, JsonValue]
    request: Request | None
    result: Result | None
    refusal: Refusal | None
    saved: asyncio.Future[None] | None = None
    pending: Progress | None = None

    @property
    def unfinished(self) -> bool:
        """Whether its answer is still to come."""
        return self.refusal is None and self.result is None and self.request is not None

    @property
    def ref(self) -> str:
        """The short reference that an error shows and the log holds."""
        return self.id[:6]


class Runner:
    """One for the process. ``context`` is what tools may use of the world, ``jobs`` runs what
    needs a worker, ``live`` has the tools (by name) whose answer is read from the bot itself,
    ``library`` the published articles.
    """

    def __init__(
        self,
        results: Results,
        context: Context,
        *,
        retention_days: int,
        jobs: Runs | None = None,
        live: Mapping[str, LiveRun] | None = None,
        library: Library | None = None,
    ) -> None:
        self._results = results
        self._context = context
        self._retention_s = retention_days * SECONDS_A_DAY
        self._jobs = jobs
        self._live = live or {}
        self._house = House(jobs, library or Library())

    def waits(self, tool: AnyTool, inputs: Mapping[str, JsonValue]) -> bool:
        """Whether this request may wait for the network or a worker, so that a door defers."""
        try:
            request = check_inputs(tool, inputs)
            return tool.waits(request) or tool.needs(request) is not None
        except Refused:
            return False

    def queues(self, tool: AnyTool, inputs: Mapping[str, JsonValue]) -> bool:
        """Whether this request is run as a job on a worker."""
        try:
            return tool.needs(check_inputs(tool, inputs)) is not None
        except Refused:
            return False

    async def run(self, tool: AnyTool, inputs: Mapping[str, JsonValue], asker: Asker) -> Outcome:
        """Validate, run, and queue the outcome for storage; a refusal is an outcome too.

        A tool that fails is a refusal as well: the person keeps what they typed, we the traceback.
        What needs a worker is queued there, and its outcome is unfinished.
        """
        outcome = Outcome(new_result_id(), tool, inputs, None, None, None)
        try:
            outcome = replace(outcome, request=check_inputs(tool, inputs))
            needs = tool.needs(outcome.request)
            if needs is not None:
                return await self._queue(outcome, asker, needs)
            outcome = replace(outcome, result=await self._here(outcome, asker))
        except Refused as refused:
            outcome = replace(outcome, refusal=refused.refusal)
            words = shown(refused.message, LOGGED)
            log.info("ref %s: %s refused: %s", outcome.ref, tool.name, words)
        except Exception:
            log.exception("ref %s: %s failed on %r", outcome.ref, tool.name, dict(inputs))
            outcome = replace(outcome, refusal=FAILED)
        return self._kept(outcome, asker)

    async def preview(self, tool: AnyTool, inputs: Mapping[str, JsonValue]) -> Outcome:
        """The outcome of arithmetic, kept nowhere: pages recompute while a slider moves.

        What would wait for the network or a worker is refused.
        """
        outcome = Outcome(new_result_id(), tool, inputs, None, None, None)
        if self.waits(tool, inputs) or tool.name in self._live:
            return replace(outcome, refusal=NOT_AT_ONCE)
        try:
            request = check_inputs(tool, inputs)
            result = await tool.run(request, self._context)
            return replace(outcome, request=request, result=result)
        except Refused as refused:
            return replace(outcome, refusal=refused.refusal)
        except Exception:
            log.exception("ref %s: %s failed on %r", outcome.ref, tool.name, dict(inputs))
            return replace(outcome, refusal=FAILED)

    async def _here(self, outcome: Outcome, asker: Asker) -> Result:
        """The result of what runs in the bot itself."""
        live = self._live.get(outcome.tool.name)
        if live is not None:
            return await live(self._house, outcome.request, asker)
        result: Result = await outcome.tool.run(outcome.request, self._context)
        return result

    async def _queue(self, outcome: Outcome, asker: Asker, needs: Needs) -> Outcome:
        """Hand the run to a worker. A shared one may be over already: then this is its answer,
        except in Discord, where the queue has it delivered like any other.
        """
        if self._jobs is None or outcome.request is None:
            raise Refused(NO_WORKER)
        row = self._row(outcome, asker)
        pending = await self._jobs.submit(row, outcome.tool, outcome.request, needs, asker.roles)
        if pending.ended and asker.door != "discord":
            answered = await self._results.get(outcome.id)
            return restore(outcome.tool, answered) if answered is not None else outcome
        return replace(outcome, pending=pending)

    async def recall(self, tool: AnyTool, row: StoredResult) -> Outcome:
        """What ``row`` kept; of a run that is not over, how far it is."""
        outcome = restore(tool, row)
        if self._jobs is None or not outcome.unfinished:
            return outcome
        return replace(outcome, pending=await self._jobs.progress(row.id))

    def refuse(
        self, tool: AnyTool, inputs: Mapping[str, JsonValue], refusal: Refusal, asker: Asker
    ) -> Outcome:
        """Queue what a door itself could not read, so that Change inputs shows it again."""
        return self._kept(Outcome(new_result_id(), tool, inputs, None, None, refusal), asker)

    def _kept(self, outcome: Outcome, asker: Asker) -> Outcome:
        if asker.door == "api" and outcome.request is None:
            return outcome  # a program has its input itself; strangers would fill the disk with it
        return replace(outcome, saved=self._results.save(self._row(outcome, asker)))

    def _row(self, outcome: Outcome, asker: Asker) -> StoredResult:
        request, result = outcome.request, outcome.result
        now = time.time()
        return StoredResult.model_construct(  # all of it is checked: again took 0.2 to 50 ms
            id=outcome.id,
            tool=outcome.tool.name,
            inputs=_cut(outcome.tool, outcome.inputs, request),
            request=request.model_dump(mode="json") if request else None,
            result=result.model_dump(mode="json") if result else None,
            refusal=outcome.refusal,
            door=asker.door,
            user_id=asker.user_id,
            guild_id=asker.guild_id,
            channel_id=asker.channel_id,
            private=asker.private,
            delete_key=asker.delete_key,
            created_at=now,
            expires_at=now + self._retention_s,
        )


def _cut(
    tool: AnyTool, inputs: Mapping[str, JsonValue], request: Request | None
) -> dict[str, JsonValue]:
    """The inputs with whole objects as the request cut them down; what was typed stays as typed.

    What a field leaves out of the kept request (somebody's log) is not kept here either.
    """
    fields = tool.request.model_fields.items()
    left_out = {name for f, i in fields if i.exclude for name in (f, short_name(f, i))}
    kept = {name: value for name, value in inputs.items() if name not in left_out}
    if request is None:
        return kept
    checked = request.model_dump(mode="json") | request.model_dump(mode="json", by_alias=True)
    return {
        name: checked.get(name) if isinstance(value, dict | list) else value
        for name, value in kept.items()
    }


def restore(tool: AnyTool, row: StoredResult) -> Outcome:
    """The outcome that ``row`` kept; one of an older version that no longer fits is a refusal."""
    try:
        request = tool.request.model_validate(row.request) if row.request is not None else None
        result = tool.result.model_validate(row.result) if row.result is not None else None
    except ValidationError:
        old = Refusal(message="This answer is from an older version. Run it again to see it.")
        return Outcome(row.id, tool, row.inputs, None, None, old)
    return Outcome(row.id, tool, row.inputs, request, result, row.refusal)
