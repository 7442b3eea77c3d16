"""Whether it fits, said with the numbers; and up to three changes that would make it fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import JsonValue

from compute.throughput.deployment import Deployment, deploy
from compute.throughput.dtypes import named_weights
from compute.throughput.engines import reads_gguf
from compute.throughput.hardware import Device, from_catalogue
from compute.throughput.memory import GIB
from compute.throughput.pairing import check_pairing
from compute.throughput.parallel import choose_layout
from compute.throughput.serving import Load
from compute.tool import Fix, Refused
from content.gpus import GpuCatalogue

LARGER_GPUS = ("H200-SXM", "B200-SXM", "MI355X", "B300-SXM")
LARGER_LOCAL = ("RTX-4090", "RTX-5090", "RTX-PRO-6000-BSE", "Apple-M3-Ultra-80c")
SMALLER = ("fp8", "int4", "nvfp4")
SMALLER_EXL2 = ("exl2-6.0", "exl2-4.0", "exl2-3.0")
SMALLER_GGUF = ("q8_0", "q4_k_m", "q3_k_s", "q2_k")
MOST_FIXES = 3
MOST_GPUS = 64


def fits(deployment: Deployment, load: Load) -> bool:
    """Whether at least one whole request fits."""
    return deployment.memory.capacity(load.isl + load.osl) >= 1


def fit_sentence(deployment: Deployment, load: Load) -> str:
    """What is needed and what there is, in GiB."""
    memory, gpus = deployment.memory, deployment.memory.gpus
    name = f"{deployment.model.name} in {deployment.weights.name}"
    if deployment.draft and deployment.drafting:
        name += f" with {deployment.drafting.method}"
    weights, usable = memory.weights * gpus / GIB, memory.usable / GIB
    have = _have(deployment.device, gpus, usable)
    if memory.weights >= memory.usable:
        return f"{name} needs {weights:,.1f} GiB for weights alone; {have}."
    whole = memory.whole_sequence(load.isl + load.osl) / GIB
    if not fits(deployment, load):
        return (
            f"{name} needs {weights:,.1f} GiB for weights, {memory.overhead * gpus / GIB:,.1f} GiB"
            f" for the engine and {whole:,.2f} GiB for the cache of one request of"
            f" {load.isl + load.osl:,} tokens; {have}, of which"
            f" {deployment.engine.name} uses {100 * deployment.engine.memory_share:.0f} %."
        )
    room = memory.in_flight(load.isl, load.osl)
    return (
        f"{weights:,.1f} GiB of weights and {whole:,.2f} GiB of cache per request; room for"
        f" {room * deployment.layout.replicas:,} requests at once."
    )


def _have(device: Device, gpus: int, usable: float) -> str:
    if gpus == 1:
        return f"one {device.name} has {usable:,.1f} GiB usable"
    return f"{gpus} x {device.name} have {gpus * usable:,.1f} GiB usable"


def fixes_for(deployment: Deployment, load: Load, kv_dtype: str, gpus: GpuCatalogue) -> list[Fix]:
    """Changes that were tried and do fit: more GPUs, a smaller format, a larger GPU."""
    tries = (
        _more_gpus(deployment, kv_dtype),
        _smaller_weights(deployment, kv_dtype),
        _larger_gpu(deployment, kv_dtype, gpus),
        _shorter(deployment, load),
        _more_and_smaller(deployment, kv_dtype),
        _another_machine(deployment, kv_dtype, gpus),
    )
    found: list[Fix] = []
    for attempts in tries:
        if found and attempts in tries[-2:]:
            break
        for fix, changed, at_load in attempts:
            if fits(changed, at_load or load):
                found.append(fix.model_copy(update={"detail": _users(changed, at_load or load)}))
                break
    return found[:MOST_FIXES]


def _users(deployment: Deployment, load: Load) -> str:
    room = deployment.memory.in_flight(load.isl, load.osl) * deployment.layout.replicas
    return f"{room:,} user{'s' if room > 1 else ''}"


Attempt = tuple[Fix, Deployment, Load | None]


def _more_gpus(deployment: Deployment, kv_dtype: str) -> Iterator[Attempt]:
    number = deployment.memory.gpus * deployment.layout.replicas
    here = (number,) if deployment.layout.replicas > 1 else ()  # copies of their own, as asked
    for n_gpus in (*here, *(more for more in (2, 4, 8, 16, 32, MOST_GPUS) if more > number)):
        changed = _again(deployment, kv_dtype, n_gpus=n_gpus)
        if changed is not None:
            changes: dict[str, JsonValue] = {"n_gpus": n_gpus, "parallel": ""}
            label = f"Use {n_gpus} GPUs" if n_gpus > number else f"Use all {n_gpus} GPUs together"
            yield Fix(label=label, changes=changes), changed, None


def _smaller_weights(deployment: Deployment, kv_dtype: str) -> Iterator[Attempt]:
    for name in _formats(deployment):
        if named_weights(name).bits < deployment.weights.bits:
            changed = _again(deployment, kv_dtype, dtype=name)
            if changed is not None:
                yield Fix(label=f"Use {name}", changes={"weight_dtype": name}), changed, None


def _formats(deployment: Deployment) -> tuple[str, ...]:
    if reads_gguf(deployment.engine):
        return SMALLER_GGUF
    return SMALLER_EXL2 if deployment.engine.name == "exllamav2" else SMALLER


def _larger_gpu(deployment: Deployment, kv_dtype: str, gpus: GpuCatalogue) -> Iterator[Attempt]:
    local = deployment.device.kind in ("consumer", "workstation", "unified")
    for key in (*LARGER_LOCAL, *LARGER_GPUS) if local else LARGER_GPUS:
        gpu = gpus.find(key)
        if gpu is not None and gpu.mem_gb * GIB > deployment.memory.usable * 1.01:
            changed = _again(deployment, kv_dtype, device=from_catalogue(gpu))
            if changed is not None:
                yield Fix(label=f"Use {gpu.name}", changes={"gpu": gpu.key}), changed, None


def _more_and_smaller(deployment: Deployment, kv_dtype: str) -> Iterator[Attempt]:
    names = _formats(deployment)
    number = deployment.memory.gpus * deployment.layout.replicas
    for n_gpus in (8, 16, 32, MOST_GPUS):
        for name in names:
            if n_gpus > number and named_weights(name).bits < deployment.weights.bits:
                changed = _again(deployment, kv_dtype, n_gpus=n_gpus, dtype=name)
                if changed is not None:
                    changes: dict[str, JsonValue] = {"n_gpus": n_gpus, "parallel": ""}
                    changes["weight_dtype"] = name
                    label = f"Use {n_gpus} GPUs, {name}"
                    yield Fix(label=label, changes=changes), changed, None


def _another_machine(
    deployment: Deployment, kv_dtype: str, gpus: GpuCatalogue
) -> Iterator[Attempt]:
    """Where no single change is enough: several of a larger GPU, split as usual."""
    for key in LARGER_GPUS:
        gpu = gpus.find(key)
        for n_gpus in (2, 4, 8, 16, 32):
            if gpu is not None:
                device = from_catalogue(gpu)
                changed = _again(deployment, kv_dtype, n_gpus=n_gpus, device=device)
                if changed is not None:
                    changes: dict[str, JsonValue] = {"gpu": key, "n_gpus": n_gpus, "parallel": ""}
                    yield Fix(label=f"Use {n_gpus}x {gpu.name}", changes=changes), changed, None


def _shorter(deployment: Deployment, load: Load) -> Iterator[Attempt]:
    for isl, osl in ((8192, 1024), (2048, 512), (512, 128)):
        if isl + osl < load.isl + load.osl:
            fix = Fix(label=f"Use {isl:,} in, {osl:,} out", changes={"isl": isl, "osl": osl})
            cached = min(isl - 1, load.cached * isl // load.isl)
            yield fix, deployment, replace(load, isl=isl, osl=osl, cached=cached)


def _again(
    deployment: Deployment,
    kv_dtype: str,
    n_gpus: int | None = None,
    dtype: str | None = None,
    device: Device | None = None,
) -> Deployment | None:
    """The same with something changed; None where that cannot be laid out."""
    device = device or deployment.device
    layout = deployment.layout
    try:
        if n_gpus is not None:
            layout = choose_layout({}, n_gpus, deployment.model, device, deployment.engine.name)
        weights = named_weights(dtype) if dtype else deployment.weights
        if dtype or device != deployment.device:
            check_pairing(deployment.engine, weights, device)
        engine, drafting = deployment.engine, deployment.drafting
        return deploy(deployment.model, device, layout, engine, weights, kv_dtype, drafting)
    except Refused:
        return None
