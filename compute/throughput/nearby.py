"""The published measurement nearest to a configuration, shown beside the estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compute.throughput.deployment import Deployment
from compute.throughput.result import Measured
from compute.throughput.serving import Load
from content.gpus import Gpu
from content.measurements import Measurement

FARTHEST = 3.5  # log-ratios added up: about three things that differ by a factor of three
SPEEDS = ("output_tps", "total_tps", "decode_tps_user")
PROMPTS = ("prefill_tps", "ttft_ms")


@dataclass(frozen=True)
class Sizes:
    """What distance compares of a model: weights in all and weights a token uses."""

    total: float
    active: float


def nearest_measurement(
    deployment: Deployment,
    load: Load,
    rows: Sequence[Measurement],
    gpus: Mapping[str, Gpu],
    sizes: Mapping[str, Sizes],
) -> Measured | None:
    """The nearest row of a matching metric, or nothing where none is near."""
    metrics = SPEEDS if load.osl else PROMPTS
    best, found = FARTHEST, None
    mine = Sizes(deployment.model.total_params, deployment.model.active_params)
    for row in rows:
        if row.metric not in metrics or (load.osl > 0) != (row.osl > 0):
            continue
        distance = _distance(deployment, mine, load, row, gpus, sizes, best)
        if distance < best:
            best, found = distance, row
    return None if found is None else _measured(found)


def _distance(
    deployment: Deployment,
    mine: Sizes,
    load: Load,
    row: Measurement,
    gpus: Mapping[str, Gpu],
    sizes: Mapping[str, Sizes],
    enough: float,
) -> float:
    """Log-ratios added up; stops early once it is too far."""
    distance = 0.0
    device, model = deployment.device, deployment.model
    if row.gpu != device.key:
        other = gpus[row.gpu]
        distance = 0.3 + abs(math.log(other.mem_bw_gbs / device.bandwidth_gbs))
        if other.arch != device.arch:
            distance += 0.3
    if row.model != model.id:
        size = sizes[row.model]
        distance += 0.1 + abs(math.log(size.active / max(1.0, mine.active)))
        distance += abs(math.log(size.total / max(1.0, mine.total)))
    if distance >= enough:
        return distance
    distance += 0.35 * (row.engine != deployment.engine.name)
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
