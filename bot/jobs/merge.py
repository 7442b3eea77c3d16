"""Which words of a worker are believed, and what they mean for a run.

A worker writes what it likes under its own name. It holds a job only if it knows the ticket that
travelled with it; the first that claims an attempt owns it, a higher attempt voids a lower one,
and after an end nothing counts.
"""

from __future__ import annotations

import hmac
from typing import Literal

from pydantic import ValidationError

from bot.jobs.run import Run
from compute.jobs.job import (
    FINAL,
    MAX_ATTEMPTS,
    MAX_JSON_BYTES,
    JobState,
)

# A result beside the last partial one, and the small fields.
MAX_STATE_BYTES = 2 * MAX_JSON_BYTES + 64 * 1024
MAX_FILES_BYTES = 256 * 2**20  # of one run together: what fits into a worker's store

Meaning = Literal["claim", "progress", "final", "returned", "stale"]


class Disbelieved(Exception):
    """Why a state is not believed, for the log: the worker is broken or hostile."""


def read_state(worker: str, job: str, raw: bytes) -> JobState:
    """The state under the key ``<worker>.<job>``. Raises ``Disbelieved``."""
    if len(raw) > MAX_STATE_BYTES:
        raise Disbelieved(f"it has {len(raw):,} bytes")
    try:
        state = JobState.model_validate_json(raw)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise Disbelieved(f"it is malformed at {problem['loc']}: {problem['msg']}") from None
    if (state.worker, state.job) != (worker, job):
        raise Disbelieved("it stands under a key that is not its own")
    return state


def judge(run: Run, state: JobState, lanes: frozenset[str] | None) -> Meaning:
    """What ``state`` says of ``run``; ``lanes`` are its worker's, None when it shows no card.

    Raises ``Disbelieved`` for what no honest worker says.
    """
    if not hmac.compare_digest(run.ticket.encode(), state.ticket.encode("utf-8", "replace")):
        raise Disbelieved("its ticket is wrong: the worker was never given this job")
    if lanes is not None and run.lane not in lanes:
        raise Disbelieved(f"the worker does not serve the lane {run.lane}")
    if state.attempt > MAX_ATTEMPTS and not _gives_up(state):
        raise Disbelieved(f"there is no attempt {state.attempt}")
    if sum(file.size for file in state.artefacts) > MAX_FILES_BYTES:
        raise Disbelieved("its files are too large together")
    return _meaning(run, state)


def base_after_return(run: Run, state: JobState) -> int:
    """The attempts that count once a worker gave the job back undone."""
    return max(run.base, min(state.attempt, MAX_ATTEMPTS) - 1)


def _meaning(run: Run, state: JobState) -> Meaning:
    if run.settled or not run.published_at or state.attempt <= run.base:
        return "stale"
    if state.attempt < run.attempt:
        return "stale"
    if state.attempt == run.attempt and state.worker != run.worker:
        return "stale"  # someone else owns this attempt
    if state.phase in FINAL:
        return "final"
    if state.phase == "returned":
        return "returned"
    return "claim" if state.attempt > run.attempt else "progress"


def _gives_up(state: JobState) -> bool:
    """The delivery after the last attempt only ever says that the job is lost."""
    return state.phase == "failed" and state.cause == "lost"
