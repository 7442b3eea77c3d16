"""How a job ended in its child, in the words of a JobState."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from compute.jobs.job import Artefact, Cause, Phase
from compute.tool import Refusal
from compute.worker.child_process import Answer
from compute.worker.watch import Exceeded

MAX_WORDS = 500
NOT_THE_TOOL = ("silent", "told", "leash lost")  # the leash ended it, not the job


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt, as far as the tool and its limits decide it."""

    phase: Phase
    cause: Cause = ""
    words: str = ""
    result: dict[str, Any] | None = None
    refusal: Refusal | None = None
    artefacts: tuple[Artefact, ...] = ()
    worn: bool = False  # its process shall run no other job


class HandBack(Exception):
    """This worker cannot go on with the job through no fault of it: another shall."""


def failed(cause: str, words: str) -> Outcome:
    """A failure with a sentence for the person who asked."""
    known = TypeAdapter(Cause).validate_python(cause)
    return Outcome("failed", known, words[:MAX_WORDS])


def of_answer(answer: Answer) -> Outcome:
    """The child's last answer."""
    worn = bool(answer.get("worn"))
    if "done" in answer:
        return Outcome("done", result=answer["done"], worn=worn)
    if "refused" in answer:
        refusal = Refusal.model_validate(answer["refused"])
        return Outcome("refused", refusal=refusal, worn=worn)
    return failed(answer["failed"], answer["words"])


def of_limit(exceeded: Exceeded) -> Outcome:
    """A limit that was passed."""
    return failed(exceeded.cause, str(exceeded))


def of_ending(ending: str) -> Outcome:
    """A child that died. Raises ``HandBack`` where the worker itself was the reason."""
    if ending in NOT_THE_TOOL:
        raise HandBack(ending)
    word, _, number = ending.partition(" ")
    if word != "signal":
        return failed("crash", f"Its process ended by itself, without an answer (code {number}).")
    if int(number) == signal.SIGKILL:
        words = "Its process was killed by the system; most likely the machine ran out of memory."
        return failed("crash", words)
    name = signal.Signals(int(number)).name
    return failed("crash", f"Its process crashed ({name}). The worker's log says where.")
