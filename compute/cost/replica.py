"""What one replica of a model serves: the only place where this tool asks the Throughput
Calculator (tests/test_layers.py allows this crossing and no other)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compute.hub import is_model_id, model_config
from compute.throughput import CALCULATOR
from compute.throughput.hardware import Device, resolve_gpus
from compute.throughput.model import ModelSpec, build_model
from compute.throughput.request import ThroughputRequest
from compute.throughput.targets import parse_targets
from compute.tool import Context, Refused

Spec = ModelSpec  # the model as the Throughput Calculator knows it
SIZES = (1, 2, 4, 8, 16)  # GPUs of one replica that are tried
MOST_SIZES = 3  # that serve: of 705 fleets tried, one was cheapest beyond four times the smallest


@dataclass(frozen=True)
class Served:
    """One way to run one replica. ``rps`` requests/s and ``slots`` in flight hold the targets;
    ``low`` and ``high`` are the ends of the estimate over its value (80 %)."""

    n_gpus: int
    rps: float
    slots: int
    low: float
    high: float
    weight_dtype: str
    parallel: str
    engine: str


@dataclass(frozen=True)
class Machine:
    """One GPU that was asked for and what replicas on it serve; none = ``sentence`` says why."""

    gpu: str
    name: str
    tdp_w: float | None
    source: str
    served: tuple[Served, ...]
    sentence: str


@dataclass(frozen=True)
class Question:
    """What every replica serves: tokens per request, targets, share of the prompt in the cache."""

    isl: int
    osl: int
    slo: str
    cached_share: float
    weight_dtype: str
    n_gpus: int | None


def check_slo(slo: str) -> None:
    """Raises ``Refused`` for targets that cannot be read."""
    parse_targets(slo)


def devices_for(gpu: str, usual: Sequence[str]) -> list[Device]:
    """The GPUs that ``gpu`` names, the ``usual`` ones where it is empty. Raises ``Refused``."""
    return resolve_gpus(gpu or ",".join(usual), CALCULATOR.library.gpus)


def known_model(model: str) -> ModelSpec | None:
    """The catalogue's model of that name, or nothing."""
    found = CALCULATOR.library.models.find(model)
    return None if found is None else CALCULATOR.library.spec(found.id, found.config)


def nearest_known(model: str) -> tuple[str, ...]:
    """Catalogue ids close to ``model``, best first."""
    return tuple(found.id for found in CALCULATOR.library.models.nearest(model))


def suggest_known(text: str) -> list[tuple[str, str]]:
    """(label, value) of catalogue models for completion."""
    return CALCULATOR.library.models.suggest(text)


def suggest_gpus(text: str) -> list[tuple[str, str]]:
    """(label, value) of GPUs for completion; of a comma list the last is completed."""
    return CALCULATOR.library.gpus.suggest(text)


def on_hub(model: str) -> bool:
    """Whether the hub has to be asked for this model."""
    return is_model_id(model) and CALCULATOR.library.models.find(model) is None


async def hub_model(model: str, ctx: Context) -> ModelSpec:
    """The model's shape from its config.json on the hub. Raises ``Refused``."""
    return build_model(model, await model_config(model, ctx, nearest_known(model)))


def prepare() -> None:
    """Read the catalogues that replicas need."""
    CALCULATOR.library.read_all()


def machine(device: Device, model: ModelSpec, question: Question) -> Machine:
    """Every size of replica on one GPU that holds the targets."""
    sizes = (question.n_gpus,) if question.n_gpus else SIZES
    served: list[Served] = []
    sentence = ""
    for size in sizes:
        found, why = _served(device, model, question, size)
        sentence = why or sentence
        if found is not None:
            served.append(found)
        if len(served) == MOST_SIZES:
            break
    catalogued = CALCULATOR.library.gpus.find(device.key) if device.key else None
    return Machine(
        gpu=device.key or device.name,
        name=device.name,
        tdp_w=catalogued.tdp_w if catalogued is not None else None,
        source=device.source,
        served=tuple(served),
        sentence="" if served else sentence,
    )


def _served(
    device: Device, model: ModelSpec, question: Question, n_gpus: int
) -> tuple[Served | None, str]:
    """One replica of ``n_gpus``, or why it does not serve."""
    request = ThroughputRequest(
        gpu=device.key or device.name,
        model=model.id,
        n_gpus=n_gpus,
        isl=question.isl,
        osl=question.osl,
        weight_dtype=question.weight_dtype,
        slo=question.slo,
        prefix_cache_hit_rate=question.cached_share,
    )
    try:
        answer = CALCULATOR.answer(request, model, [device])
    except Refused as refused:
        return None, refused.message
    estimate, plan = answer.estimates[0], answer.plan
    if not estimate.fits or plan is None:
        return None, estimate.fit_sentence
    if not plan.met or plan.replica_rps <= 0:
        return None, plan.sentence
    if estimate.replicas > 1:  # two copies are two smaller replicas, which were tried before
        return None, ""
    speed = estimate.output_tps if question.osl else estimate.prefill_tps
    parts = (("TP", estimate.tp), ("PP", estimate.pp), ("EP", estimate.ep))
    return (
        Served(
            n_gpus=estimate.n_gpus,
            rps=plan.replica_rps,
            slots=plan.max_concurrency,
            low=speed.low / speed.value,
            high=speed.high / speed.value,
            weight_dtype=estimate.weight_dtype,
            parallel="x".join(f"{name}{count}" for name, count in parts if count > 1),
            engine=estimate.engine,
        ),
        "",
    )
