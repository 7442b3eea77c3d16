"""One GPU choice from deployment and load to the figures people ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

from compute.throughput.deployment import Deployment, rates_of
from compute.throughput.fit import fit_sentence, fits
from compute.throughput.interval import Widths
from compute.throughput.library import Library
from compute.throughput.memory import GIB
from compute.throughput.nearby import nearest_measurement
from compute.throughput.pairing import pairing_note
from compute.throughput.parameters import Parameters
from compute.throughput.rates import Rates
from compute.throughput.result import Bound, CurvePoint, Estimate, Measured, Memory, Range
from compute.throughput.serving import Load, Served, serve
from compute.throughput.steps import tokens_per_step
from compute.throughput.why import (
    bound_of,
    compute_bound_at,
    growth_of,
    next_bound,
    shares_of,
    why_sentence,
)
from compute.throughput.widening import widths_of
from content.gpus import Gpu

MOST_POINTS = 12
SAME_VOCAB = 0.01  # sizes of one family differ by padding: Qwen's by 0.1 %
NOTHING = Range(value=0.0, low=0.0, high=0.0)


@dataclass(frozen=True)
class Question:
    """A deployment under a load, with the rates that answer it."""

    deployment: Deployment
    rates: Rates
    load: Load
    parameters: Parameters

    def served(self, concurrency: int | None) -> Served:
        """The steady state at another load."""
        load = replace(self.load, concurrency=concurrency)
        return serve(self.deployment, self.rates, load, self.parameters)

    @property
    def capacity(self) -> int:
        """Requests all copies run at once."""
        room = self.deployment.memory.in_flight(self.load.isl, self.load.osl)
        return room * self.deployment.layout.replicas


def ask(deployment: Deployment, load: Load, p: Parameters) -> Question:
    """Prepare a deployment for evaluation."""
    return Question(deployment, rates_of(deployment, p), load, p)


def estimate(question: Question, library: Library, with_curve: bool = True) -> Estimate:
    """Every figure of one GPU choice; zeros where it does not fit."""
    deployment = question.deployment
    widths = widths_of(deployment, question.load, library.evidence, question.parameters)
    if not fits(deployment, question.load):
        return _does_not_fit(question, widths)
    served = question.served(question.load.concurrency)
    own = round(served.running * deployment.layout.replicas)
    curve = _curve(question, question.load.concurrency or own) if with_curve else []
    gpus: Mapping[str, Gpu] = {gpu.key: gpu for gpu in library.gpus}
    measured = nearest_measurement(deployment, question.load, library.measured, gpus, library.sizes)
    return _filled(question, served, widths, curve, measured)


def _filled(
    question: Question,
    served: Served,
    widths: Widths,
    curve: list[CurvePoint],
    measured: Measured | None,
) -> Estimate:
    deployment, load = question.deployment, question.load
    step = served.step if load.osl else served.prompt
    context = load.isl + load.osl / 2
    growth = growth_of(question.rates, step, served.running, context) if load.osl else None
    later = next_bound(question.rates, served.running, context) if load.osl else None
    turns = _turns(question, later, context)
    tpot = widths.around("decode_tps_user", 1.0 / served.tpot_s)
    per_gpu = deployment.memory.gpus * deployment.layout.replicas
    return Estimate(
        **_identity(question),
        concurrency=load.concurrency or round(served.running * deployment.layout.replicas),
        fits=True,
        fit_sentence=fit_sentence(deployment, load),
        output_tps=widths.around("output_tps", served.output_tps),
        output_tps_per_gpu=served.output_tps / per_gpu,
        total_tps=served.total_tps,
        decode_tps_user=tpot,
        prefill_tps=widths.around("prefill_tps", served.prefill_tps),
        ttft_ms=widths.around("ttft_ms", served.ttft_s * 1e3),
        tpot_ms=Range(value=1e3 / tpot.value, low=1e3 / tpot.high, high=1e3 / tpot.low),
        request_s=served.request_s,
        memory=memory_of(deployment, load),
        max_concurrency=question.capacity,
        bound=bound_of(step),
        shares=shares_of(step),
        compute_bound_at=turns,
        why=why_sentence(deployment, step, growth, turns),
        range_why=widths.why,
        curve=curve,
        measured=measured,
        notes=_notes(question, served),
        bound_changes_at=_whole_system(later[0], deployment) if later else None,
        bound_then=later[1] if later else None,
        cached_tokens=load.cached,
        tokens_per_step=tokens_per_step(question.rates),
        drafting=deployment.drafting.text if deployment.drafting else "",
    )


def _turns(question: Question, later: tuple[int, Bound] | None, context: float) -> int | None:
    """Requests in all from which computing takes the largest part of a step."""
    if not question.load.osl:
        return None
    next_one = later[0] if later and later[1] == "compute" else None
    turns = next_one or compute_bound_at(question.rates, context)
    return _whole_system(turns, question.deployment) if turns else None


def _whole_system(batch: int, deployment: Deployment) -> int:
    """Requests over all copies where one copy runs ``batch``."""
    return batch * deployment.layout.replicas


def _does_not_fit(question: Question, widths: Widths) -> Estimate:
    deployment, load = question.deployment, question.load
    return Estimate(
        **_identity(question),
        concurrency=load.concurrency or 0,
        fits=False,
        fit_sentence=fit_sentence(deployment, load),
        output_tps=NOTHING,
        output_tps_per_gpu=0.0,
        total_tps=0.0,
        decode_tps_user=NOTHING,
        prefill_tps=NOTHING,
        ttft_ms=NOTHING,
        tpot_ms=NOTHING,
        request_s=0.0,
        memory=memory_of(deployment, load),
        max_concurrency=0,
        bound="memory",
        shares={},
        compute_bound_at=None,
        why="It does not fit in memory, so there is no speed to speak of.",
        range_why=widths.why,
        curve=[],
        measured=None,
        notes=list(deployment.model.notes),
    )


class Identity(TypedDict):
    """The fields that say what is run on what."""

    gpu: str
    gpu_name: str
    n_gpus: int
    tp: int
    pp: int
    ep: int
    attn_dp: int
    replicas: int
    engine: str
    weight_dtype: str
    compute_dtype: str
    kv_dtype: str


def _identity(question: Question) -> Identity:
    """What is run on what."""
    deployment = question.deployment
    layout = deployment.layout
    return {
        "gpu": deployment.device.key or deployment.device.name,
        "gpu_name": deployment.device.name,
        "n_gpus": deployment.memory.gpus * layout.replicas,
        "tp": layout.tp,
        "pp": layout.pp,
        "ep": layout.ep,
        "attn_dp": layout.attn_dp,
        "replicas": layout.replicas,
        "engine": deployment.engine.name,
        "weight_dtype": deployment.weights.name,
        "compute_dtype": deployment.compute,
        "kv_dtype": deployment.kv_name,
    }


def memory_of(deployment: Deployment, load: Load) -> Memory:
    """Where the memory goes, in GiB."""
    memory = deployment.memory
    return Memory(
        usable_gib_per_gpu=memory.usable / GIB,
        weights_gib=memory.weights * memory.gpus / GIB,
        weights_gib_per_gpu=memory.weights / GIB,
        kv_gib_per_seq=memory.whole_sequence(load.isl + load.osl) / GIB,
        overhead_gib=memory.overhead / GIB,
    )


def _curve(question: Question, own: int) -> list[CurvePoint]:
    """Powers of two up to what fits, this load among them."""
    most = max(1, question.capacity)
    loads = {own} if own <= most else set()
    load = question.deployment.layout.replicas
    while load < most and len(loads) < MOST_POINTS - 1:
        loads.add(load)
        load *= 2
    points = []
    for concurrency in sorted({*loads, min(load, most)}):
        served = question.served(concurrency)
        gpus = question.deployment.memory.gpus * question.deployment.layout.replicas
        points.append(
            CurvePoint(
                concurrency=concurrency,
                tps_user=1.0 / served.tpot_s,
                tps_gpu=(served.output_tps or served.total_tps) / gpus,
                ttft_ms=served.ttft_s * 1e3,
            )
        )
    return points


def _notes(question: Question, served: Served) -> list[str]:
    deployment, load = question.deployment, question.load
    notes = list(deployment.model.notes)
    if unusual := pairing_note(deployment.engine, deployment.device):
        notes.append(unusual)
    draft = deployment.draft.model if deployment.draft else deployment.model
    if abs(draft.vocab - deployment.model.vocab) > SAME_VOCAB * deployment.model.vocab:
        notes.append(
            f"{draft.name[:60]} has {draft.vocab:,} words and {deployment.model.name[:60]}"
            f" {deployment.model.vocab:,}: most engines draft only with the same tokenizer."
        )
    if served.waiting > 0:
        waiting = round(served.waiting * deployment.layout.replicas)
        notes.append(
            f"{waiting:,} of the requests wait in line: memory and the engine run"
            f" {round(served.running * deployment.layout.replicas):,} at once."
        )
    longest = deployment.model.max_context
    if longest is not None and load.isl + load.osl > longest:
        notes.append(f"The model was made for {longest:,} tokens; this asks for more.")
    if deployment.layout.replicas > 1:
        notes.append(f"{deployment.layout.replicas:,} copies of the model share the requests.")
    if "general knowledge" in deployment.device.source:
        notes.append(f"{deployment.device.name}'s figures are not checked against its data sheet.")
    return notes
