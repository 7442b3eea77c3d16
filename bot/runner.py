"""Runs a tool for whoever asks: checks the inputs, runs it here, and keeps the outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue, ValidationError

from bot.results import Door, Results, StoredResult, new_result_id
from compute.inputs import check_inputs, shown
from compute.tool import AnyTool, Context, Refusal, Refused, Request, Result

log = logging.getLogger(__name__)

SECONDS_A_DAY = 86_400
LOGGED = 300  # characters of a refusal that go into the log
FAILED = Refusal(
    message="Something went wrong on my side. The reference below finds it in my log.",
    our_fault=True,
)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked, through which door, where; ``private`` answers are shown to them alone.

    ``delete_key`` lets a web visitor, who has no account, delete what they made.
    """

    door: Door
    user_id: str = ""
    guild_id: str = ""
    channel_id: str = ""
    private: bool = False
    delete_key: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer or a refusal. ``inputs`` are as typed, so that nothing typed is ever lost.

    ``saved`` is done once the row is on disk: a door may answer first and await it after.
    """

    id: str
    tool: AnyTool
    inputs: Mapping[str, JsonValue]
    request: Request | None
    result: Result | None
    refusal: Refusal | None
    saved: asyncio.Future[None] | None = None

    @property
    def ref(self) -> str:
        """The short reference that an error shows and the log holds."""
        return self.id[:6]


class Runner:
    """One for the process. ``context`` is what tools may use of the world."""

    def __init__(self, results: Results, context: Context, *, retention_days: int) -> None:
        self._results = results
        self._context = context
        self._retention_s = retention_days * SECONDS_A_DAY

    def waits(self, tool: AnyTool, inputs: Mapping[str, JsonValue]) -> bool:
        """Whether this request may wait on the network, so that a door defers first."""
        try:
            return tool.waits(check_inputs(tool, inputs))
        except Refused:
            return False

    async def run(self, tool: AnyTool, inputs: Mapping[str, JsonValue], asker: Asker) -> Outcome:
        """Validate, run, and queue the outcome for storage; a refusal is an outcome too.

        A tool that fails is a refusal as well: the person keeps what they typed, we the traceback.
        """
        result_id = new_result_id()
        request: Request | None = None
        result: Result | None = None
        refusal: Refusal | None = None
        try:
            request = check_inputs(tool, inputs)
            result = await tool.run(request, self._context)
        except Refused as refused:
            refusal = refused.refusal
            words = shown(refused.message, LOGGED)
            log.info("ref %s: %s refused: %s", result_id[:6], tool.name, words)
        except Exception:
            log.exception("ref %s: %s failed on %r", result_id[:6], tool.name, dict(inputs))
            refusal = FAILED
        return self._kept(Outcome(result_id, tool, inputs, request, result, refusal), asker)

    def refuse(
        self, tool: AnyTool, inputs: Mapping[str, JsonValue], refusal: Refusal, asker: Asker
    ) -> Outcome:
        """Queue what a door itself could not read, so that Change inputs shows it again."""
        return self._kept(Outcome(new_result_id(), tool, inputs, None, None, refusal), asker)

    def _kept(self, outcome: Outcome, asker: Asker) -> Outcome:
        request, result = outcome.request, outcome.result
        if asker.door == "api" and request is None:
            return outcome  # a program has its input itself; strangers would fill the disk with it
        now = time.time()
        saved = self._results.save(
            StoredResult.model_construct(  # all of it is checked: again took 0.2 to 50 ms
                id=outcome.id,
                tool=outcome.tool.name,
                inputs=_cut(outcome.inputs, request),
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
        )
        return replace(outcome, saved=saved)


def _cut(inputs: Mapping[str, JsonValue], request: Request | None) -> dict[str, JsonValue]:
    """The inputs with whole objects as the request cut them down; what was typed stays as typed."""
    if request is None:
        return dict(inputs)
    checked = request.model_dump(mode="json") | request.model_dump(mode="json", by_alias=True)
    return {
        name: checked.get(name) if isinstance(value, dict | list) else value
        for name, value in inputs.items()
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
