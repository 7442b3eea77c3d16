"""How a run ends: what a worker's last word means for those who asked, recorded exactly once."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from bot.jobs import ledger
from bot.jobs.desk import Desk
from bot.jobs.dispatch import Dispatcher, withdraw
from bot.jobs.files import Files
from bot.jobs.order import SHORT_S
from bot.jobs.run import Ending, Run
from bot.jobs.words import File
from bot.store import StoreError
from compute.jobs.job import MAX_ATTEMPTS, MAX_JSON_BYTES, JobState
from compute.jobs.queue import QueueDown
from compute.tool import AnyTool, Refusal

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

RETRY_S = 0.5
TIDY_S, LITTER_S = 0.5, 5.0
SMALL_BYTES = 16 * 1024  # checked in 0.3 ms, as long as handing it to a thread takes
WORDS = 300  # characters of a worker's own words
CANCELLED = Refusal(message="This run was cancelled before it was done.")
LOST = (
    f"The run was started {MAX_ATTEMPTS} times and every time its worker was lost, so nothing came "
    "of it. Ask again later; if it happens again, a maintainer should look at the workers."
)
# What is said where the worker has no words of its own; the last two are never the asker's doing.
SENTENCES = {
    "memory": "The run needed more memory than it may have.",
    "time": "The run took longer than it may.",
    "too large": "What came out of the run is too large to be kept.",
    "error": "The tool failed on the worker. The reference below finds it in my log.",
    "crash": "The run's process crashed on the worker.",
    "lost": LOST,
}
STOPPED = "The worker stopped the run without being asked to."
MISFIT = "The worker's answer is not one that this tool gives, so it is not shown."
UNREADABLE = "The worker's answer could not be read. The reference below finds why in my log."
ASKERS_OWN = frozenset({"memory", "time", "too large"})


class Finisher:
    """Records ends. ``end`` may be called by several that all saw the same; the first counts."""

    def __init__(self, desk: Desk, dispatcher: Dispatcher, files: Files) -> None:
        self._desk = desk
        self._dispatcher = dispatcher
        self._files = files
        self._litter: dict[str, float] = {}  # runs that are over, the oldest first

    def settle(self, run: Run, state: JobState, size: int) -> None:
        """A worker's last word, of ``size`` bytes, was believed."""
        run.settled = True
        self._desk.spawn(self._settle(run, state, size), f"record {run.id}")

    async def end(self, run: Run, ending: Ending, files: tuple[File, ...] = ()) -> bool:
        """Record it and tell everybody; False when the run was over already."""
        desk = self._desk

        def over(first: bool) -> None:
            desk.drop(run)
            if first:
                cause = ending.cause
                desk.took(run.lane, ending.run_s if ending.state == "done" else SHORT_S)
                desk.counters.over(run.id, run.tool, ending.state, cause, ending.run_s)
                desk.on_answer()

        def change(db: Database) -> bool:
            if run.attempt:  # a last word may be the first that was heard
                held = (run.attempt, run.worker, run.machine, run.started_at)
                ledger.claim(db, run.id, *held)
            return ledger.end_run(db, run.id, ending, files)

        with run.settling():
            first = await self._dispatcher.change(change, over)
        desk.spawn(self.clean(run), f"clean up after {run.id}")
        return first

    async def clean(self, run: Run) -> None:
        """Leave nothing of a run on the broker; what cannot be done now the audit does."""
        self._litter[run.id] = time.monotonic()
        if not run.worker:
            await withdraw(self._desk, run.lane, run.id)

    async def tidy(self) -> None:
        """Take away what workers said of runs that are over, until cancelled.

        Not at once: emptying the bucket costs the broker 5 ms, in which no worker can say
        anything; beside other states it is 1.5 ms.
        """
        while True:
            await asyncio.sleep(TIDY_S)
            if not self._desk.queue.up:
                continue  # an outage may last for hours, and the log would say each half second
            for job, since in list(self._litter.items()):
                if self._desk.out and time.monotonic() - since < LITTER_S:
                    break
                try:
                    await self._desk.queue.forget("*", job)
                except QueueDown as error:
                    log.info("job %s is not cleaned up yet: %s", job, error)
                    break
                self._litter.pop(job, None)

    async def _settle(self, run: Run, state: JobState, size: int) -> None:
        """Go on until it is recorded: the worker has forgotten the job by now."""
        while True:
            try:
                ending, files = await self._judged(run, state, size)
                await self.end(run, ending, files)
                break
            except (QueueDown, StoreError) as error:
                log.warning("the end of job %s is not recorded yet: %s", run.id, error)
                await asyncio.sleep(RETRY_S)
        for file in state.artefacts:
            try:
                await self._desk.queue.drop_file(state.worker, run.id, file.name)
            except QueueDown:
                return  # the store forgets it after a day

    async def _judged(
        self, run: Run, state: JobState, size: int
    ) -> tuple[Ending, tuple[File, ...]]:
        """As ``_judge``; where that itself breaks the run is over all the same."""
        try:
            return await self._judge(run, state, size)
        except (QueueDown, StoreError):
            raise
        except Exception:
            log.exception("the end of job %s cannot be judged", run.id)
            return failed("error", UNREADABLE, self._desk.clock(), state.run_s), ()

    async def _judge(self, run: Run, state: JobState, size: int) -> tuple[Ending, tuple[File, ...]]:
        now = self._desk.clock()
        tool = self._desk.tools.get(run.tool)
        if state.phase == "done" and tool is not None:
            result = await _checked_result(tool, state, size)
            if result is not None:
                files, lost = await self._files.fetch(
                    self._desk.queue, state.worker, run.id, state.artefacts
                )
                words = " ".join(lost)
                return Ending("done", now, "", words, result, None, state.run_s), tuple(files)
        return _without_result(state, run.cancelling, now), ()


def failed(cause: str, sentence: str, now: float, run_s: float = 0.0) -> Ending:
    """An end without a result, with the sentence that the person reads."""
    refusal = Refusal(message=sentence, our_fault=cause not in ASKERS_OWN)
    return Ending("failed", now, cause, sentence, None, _json(refusal), run_s)


def cancelled(now: float, run_s: float = 0.0) -> Ending:
    """An end that the person asked for."""
    return Ending("cancelled", now, "", "", None, _json(CANCELLED), run_s)


def _without_result(state: JobState, cancelling: bool, now: float) -> Ending:
    if state.phase == "cancelled" and cancelling:
        return cancelled(now, state.run_s)
    if state.phase == "refused" and state.refusal is not None:
        refusal = _json(_modest(state.refusal))
        return Ending("refused", now, "", "", None, refusal, state.run_s)
    if state.phase == "done":
        return failed("error", MISFIT, now, state.run_s)
    if state.phase != "failed":
        return failed("error", STOPPED, now, state.run_s)
    cause = state.cause or "error"
    sentence = state.words[:WORDS] if state.words and cause in ASKERS_OWN else ""
    return failed(cause, sentence or SENTENCES.get(cause, SENTENCES["error"]), now, state.run_s)


async def _checked_result(tool: AnyTool, state: JobState, size: int) -> str | None:
    """The result's JSON when it is one of this tool's, else None."""

    def check() -> str | None:
        try:
            text = _json(tool.result.model_validate(state.result))
        except ValidationError as error:
            log.warning("%s: no result of %s: %s", state.worker, tool.name, error)
            return None
        return text if len(text) <= MAX_JSON_BYTES * 2 else None

    return check() if size <= SMALL_BYTES else await asyncio.to_thread(check)


def _modest(refusal: Refusal) -> Refusal:
    """What a worker may have people read and press: no more than a tool of ours says."""
    return refusal.model_copy(
        update={
            "message": refusal.message[:1000],
            "given": refusal.given[:200] if refusal.given else None,
            "nearest": tuple(value[:100] for value in refusal.nearest[:10]),
            "example": refusal.example[:200] if refusal.example else None,
            "fixes": refusal.fixes[:5],
        }
    )


def _json(model: BaseModel) -> str:
    values: dict[str, Any] = model.model_dump(mode="json")
    return json.dumps(values)
