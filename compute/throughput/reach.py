"""Changes that would hold latency targets which nothing asked about can hold."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from compute.throughput.compare import Arrange, Choice
from compute.throughput.dtypes import named_weights
from compute.throughput.estimate import Question
from compute.throughput.fit import LARGER_GPUS, LARGER_LOCAL, MOST_FIXES, SMALLER, fits
from compute.throughput.hardware import Device, from_catalogue
from compute.throughput.plan import make_plan
from compute.throughput.targets import Targets
from compute.tool import Fix, Refused
from content.gpus import GpuCatalogue

MORE_GPUS = (2, 4, 8)  # beyond a node's links more GPUs shorten no step
Attempt = tuple[str, dict[str, JsonValue], Device]


def reaching(
    question: Question, choice: Choice, targets: Targets, arrange: Arrange, gpus: GpuCatalogue
) -> list[Fix]:
    """One change of each kind that holds ``targets``: more GPUs, a smaller format, a faster GPU."""
    kinds = (
        _more_gpus(question, choice),
        _smaller(question, choice),
        _faster(choice, gpus),
    )
    found = []
    for attempts in kinds:
        for label, changes, device in attempts:
            users = _held(choice, changes, device, targets, arrange)
            if users:
                plural = "s" if users > 1 else ""
                detail = f"{users:,} user{plural} at once"
                found.append(Fix(label=label, changes=changes, detail=detail))
                break
    return found[:MOST_FIXES]


def _more_gpus(question: Question, choice: Choice) -> Iterator[Attempt]:
    have = question.deployment.memory.gpus * question.deployment.layout.replicas
    for n_gpus in (number for number in MORE_GPUS if number > have):
        yield f"Use {n_gpus} GPUs", {"n_gpus": n_gpus, "parallel": ""}, choice.device


def _smaller(question: Question, choice: Choice) -> Iterator[Attempt]:
    for name in SMALLER:
        if named_weights(name).bits < question.deployment.weights.bits:
            yield f"Use {name}", {"weight_dtype": name}, choice.device


def _faster(choice: Choice, gpus: GpuCatalogue) -> Iterator[Attempt]:
    local = choice.device.kind in ("consumer", "workstation", "unified")
    for key in (*LARGER_LOCAL, *LARGER_GPUS) if local else LARGER_GPUS:
        gpu = gpus.find(key)
        if gpu is not None and gpu.mem_bw_gbs > choice.device.bandwidth_gbs:
            yield f"Use {gpu.name}", {"gpu": gpu.key}, from_catalogue(gpu)


def _held(
    choice: Choice,
    changes: dict[str, JsonValue],
    device: Device,
    targets: Targets,
    arrange: Arrange,
) -> int:
    """Requests in flight that hold the targets after a change; 0 where none does."""
    try:
        question = arrange(choice.request.model_copy(update=changes), device)
    except Refused:
        return 0
    if not fits(question.deployment, question.load):
        return 0
    return make_plan(question, targets, None).max_concurrency
