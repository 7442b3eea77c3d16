"""The published measurement nearest to a configuration, shown beside the estimate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compute.throughput.deployment import Deployment
from compute.throughput.hardware import Device
from compute.throughput.result import Measured
from compute.throughput.serving import Load
from content.gpus import Gpu
from content.measurements import Measurement

# Log-ratios added up. Beyond 2 the row is about something else: at 3.5 a single user's answer on an
# H100 stood beside an offline run of 512 requests with 14 times its speed.
FARTHEST = 2.0
SPEEDS = ("output_tps", "total_tps", "decode_tps_user")
PROMPTS = ("prefill_tps", "ttft_ms")

Subject = tuple[str, str]  # GPU and model of a measurement


@dataclass(frozen=True)
class Sizes:
    """What distance compares of a model: weights in all and weights a token uses."""

    total: float
    active: float


def nearest_measurement(
    deployment: Deployment,
    load: Load,
    groups: Mapping[Subject, Sequence[Measurement]],
    gpus: Mapping[str, Gpu],
    sizes: Mapping[str, Sizes],
) -> Measured | None:
    """The nearest row of a matching metric, or nothing where none is near."""
    model = deployment.model
    own = Sizes(max(1.0, model.total_params), max(1.0, model.active_params))
    far_gpus = {gpu: _gpu_distance(gpus[gpu], deployment.device) for gpu, _ in groups}
    far_models = {name: _model_distance(name, sizes[name], model.id, own) for _, name in groups}
    # Nearest subjects first: most of the 1,137 rows need not be looked at (0.1 ms, not 2.4).
    subjects = sorted((far_gpus[gpu] + far_models[name], (gpu, name)) for gpu, name in groups)
    metrics = SPEEDS if load.osl else PROMPTS
    best, found = FARTHEST, None
    for base, subject in subjects:
        if base >= best:
            break
        for row in groups[subject]:
            if row.metric not in metrics or (load.osl > 0) != (row.osl > 0):
                continue
            distance = base + _run_distance(deployment, load, row)
            if distance < best:
                best, found = distance, row
    return None if found is None else _measured(found)


def group_rows(rows: Iterable[Measurement]) -> dict[Subject, list[Measurement]]:
    """The measurements by what was measured."""
    groups: dict[Subject, list[Measurement]] = {}
    for row in rows:
        groups.setdefault((row.gpu, row.model), []).append(row)
    return groups


def _gpu_distance(gpu: Gpu, device: Device) -> float:
    if gpu.key == device.key:
        return 0.0
    bandwidth = abs(math.log(gpu.mem_bw_gbs / device.bandwidth_gbs))
    return 0.3 + bandwidth + 0.3 * (gpu.arch != device.arch)


def _model_distance(name: str, size: Sizes, own_name: str, own: Sizes) -> float:
    if name == own_name:
        return 0.0
    active = abs(math.log(size.active / own.active))
    return 0.1 + active + abs(math.log(size.total / own.total))


def _run_distance(deployment: Deployment, load: Load, row: Measurement) -> float:
    distance = 0.35 * (row.engine != deployment.engine.name)
    distance += 0.5 * (row.weight_dtype != deployment.weights.name)
    n_gpus = deployment.memory.gpus * deployment.layout.replicas
    distance += abs(math.log(row.n_gpus / n_gpus))
    distance += 0.3 * abs(math.log(row.isl / load.isl))
    distance += 0.3 * abs(math.log(max(1, row.osl) / max(1, load.osl)))
    return distance + 0.5 * _load_distance(row.concurrency, load.concurrency)


def _load_distance(measured: int | None, wanted: int | None) -> float:
    """An offline run counts as a large load of 512 requests."""
    return abs(math.log((measured or 512) / (wanted or 512)))


def _measured(row: Measurement) -> Measured:
    return Measured(
        value=row.value,
        metric=row.metric,
        engine=row.engine,
        engine_version=row.engine_version,
        gpu=row.gpu,
        n_gpus=row.n_gpus,
        model=row.model,
        weight_dtype=row.weight_dtype,
        isl=row.isl,
        osl=row.osl,
        concurrency="max" if row.concurrency is None else str(row.concurrency),
        source=row.source,
        url=row.url,
        date=row.date,
    )
