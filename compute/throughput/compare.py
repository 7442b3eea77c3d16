"""Several GPUs or weight formats in one answer: what is compared, and what would make all fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from compute.throughput.estimate import Question
from compute.throughput.fit import MOST_FIXES, fits, fixes_for
from compute.throughput.hardware import Device
from compute.throughput.library import Library
from compute.throughput.request import MAX_COMPARED, ThroughputRequest
from compute.throughput.result import LeftOut
from compute.tool import Fix, Refused

OF_ONE_GPU = ("gpu", "n_gpus", "weight_dtype")
Arrange = Callable[[ThroughputRequest, Device], Question]


@dataclass(frozen=True)
class Choice:
    """One GPU with one weight format: ``request`` names that format alone."""

    device: Device
    request: ThroughputRequest


def choices_of(request: ThroughputRequest, devices: Sequence[Device]) -> list[Choice]:
    """Every GPU with every format of a request. Raises ``Refused`` for more than six."""
    formats = _formats(request.weight_dtype)
    number = len(devices) * len(formats)
    if number > MAX_COMPARED:
        several = f"{len(devices)} GPUs with " if len(devices) > 1 else ""
        raise Refused(
            f"I compare at most {MAX_COMPARED} at once; {several}{len(formats)} formats are"
            f" {number}.",
            field="weight_dtype",
            given=request.weight_dtype,
            example=", ".join(formats[: max(1, MAX_COMPARED // len(devices))]),
        )
    alone = [request.model_copy(update={"weight_dtype": name}) for name in formats]
    return [Choice(device, one) for device in devices for one in alone]


def _formats(typed: str) -> list[str]:
    names = dict.fromkeys(part.strip().lower() for part in typed.split(",") if part.strip())
    return list(names) or [typed]


def arrange_all(
    choices: Sequence[Choice], arrange: Arrange
) -> tuple[list[Question], list[Choice], list[LeftOut]]:
    """What can be, the choices it came from, and what cannot. Raises ``Refused`` if nothing can."""
    questions: dict[tuple[str, str], tuple[Question, Choice]] = {}
    left_out, refusals = [], []
    for choice in choices:
        try:
            question = arrange(choice.request, choice.device)
        except Refused as refused:
            refusals.append(refused)
            left_out.append(_left_out(choice, refused))
            continue
        deployment = question.deployment
        same = (choice.device.key or choice.device.name, deployment.weights.name)
        questions.setdefault(same, (question, choice))
    if not questions:
        raise refusals[0]
    found = list(questions.values())
    return [question for question, _ in found], [choice for _, choice in found], left_out


def _left_out(choice: Choice, refused: Refused) -> LeftOut:
    dtype = choice.request.weight_dtype
    return LeftOut(gpu_name=choice.device.name, weight_dtype=dtype, reason=refused.message)


def repairs(
    request: ThroughputRequest,
    questions: Sequence[Question],
    choices: Sequence[Choice],
    library: Library,
    arrange: Arrange,
) -> list[Fix]:
    """Changes that make what does not fit fit: all at once where one does, else each alone."""
    misfits = [
        (question, choice)
        for question, choice in zip(questions, choices, strict=True)
        if not fits(question.deployment, question.load)
    ]
    if not misfits:
        return []
    own = [_own_fixes(question, request, library) for question, _ in misfits]
    if len(questions) == 1 or len(misfits) == len(questions):
        return own[0]
    found = list(_for_all(request, own, choices, arrange))
    if len({choice.device.name for choice in choices}) > 1:
        found += [
            _alone(fixes[0], choice, request)
            for (_, choice), fixes in zip(misfits, own, strict=True)
            if fixes
        ]
    return list({str(fix.changes): fix for fix in found}.values())[:MOST_FIXES]


def _own_fixes(question: Question, request: ThroughputRequest, library: Library) -> list[Fix]:
    return fixes_for(question.deployment, question.load, request.kv_dtype, library.gpus)


def _for_all(
    request: ThroughputRequest,
    own: Sequence[Sequence[Fix]],
    choices: Sequence[Choice],
    arrange: Arrange,
) -> Iterator[Fix]:
    """Of each misfit's repairs those that, made for all compared, make every one of them fit."""
    formats = len({choice.request.weight_dtype for choice in choices})
    for fix in (fix for fixes in own for fix in fixes):
        if "gpu" in fix.changes or (formats > 1 and "weight_dtype" in fix.changes):
            continue
        users = [_users(choice, fix.changes, arrange) for choice in choices]
        if min(users) > 0:
            each = "each" if "n_gpus" in fix.changes else "for all"
            several = len({choice.device.name for choice in choices}) > 1
            label = f"{fix.label} {each}" if several else fix.label
            yield Fix(label=label, changes=fix.changes, detail=f"{min(users):,} users or more")


def _users(choice: Choice, changes: Mapping[str, JsonValue], arrange: Arrange) -> int:
    """Requests that run at once after a change; 0 where none does."""
    try:
        question = arrange(choice.request.model_copy(update=dict(changes)), choice.device)
    except Refused:
        return 0
    return question.capacity if fits(question.deployment, question.load) else 0


def _alone(fix: Fix, choice: Choice, request: ThroughputRequest) -> Fix:
    """A misfit's own repair, which leaves the comparison."""
    device = choice.device
    name = (
        device.name
        if choice.request.weight_dtype == request.weight_dtype
        else (f"{device.name} {choice.request.weight_dtype}")
    )
    changes: dict[str, JsonValue] = {
        "gpu": device.key or device.name,
        "weight_dtype": choice.request.weight_dtype,
        **fix.changes,
    }
    what = fix.label.removeprefix("Use ")
    return Fix(label=f"{name} alone: {what}"[:80], changes=changes, detail=fix.detail)
