"""The 80 % interval around an estimate, wider where the published evidence is thin."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from compute.throughput.deployment import Deployment
from compute.throughput.parameters import Parameters
from compute.throughput.result import Range
from content.gpus import GpuCatalogue
from content.measurements import Measurement

THIN = 20  # groups below this size are not judged


@dataclass(frozen=True)
class Evidence:
    """How many published measurements there are by GPU, architecture, engine, model class."""

    gpus: Counter[str]
    archs: Counter[str]
    engines: Counter[str]
    classes: Counter[str]
    total: int


def count_evidence(rows: Iterable[Measurement], gpus: GpuCatalogue) -> Evidence:
    """Count the measurements an estimate can lean on."""
    archs = {gpu.key: gpu.arch for gpu in gpus}
    every = list(rows)
    return Evidence(
        gpus=Counter(row.gpu for row in every),
        archs=Counter(archs[row.gpu] for row in every),
        engines=Counter(row.engine for row in every),
        classes=Counter(row.model_class for row in every),
        total=len(every),
    )


@dataclass(frozen=True)
class Widths:
    """Half widths in natural-log units by metric, and why they are what they are."""

    half: dict[str, float]
    why: str

    def around(self, metric: str, value: float) -> Range:
        """The interval around ``value`` of ``metric``."""
        factor = math.exp(self.half[metric])
        return Range(value=value, low=value / factor, high=value * factor)


def widths_for(deployment: Deployment, evidence: Evidence, p: Parameters) -> Widths:
    """How sure an estimate for this deployment can be."""
    widening, reasons = 1.0, []
    device, model = deployment.device, deployment.model
    if evidence.archs[device.arch] < THIN:
        widening *= p["interval.unseen_arch"]
        reasons.append(f"few or none on {device.arch} GPUs")
    elif evidence.gpus[device.key] == 0:
        widening *= p["interval.unseen_gpu"]
        reasons.append(f"none on {device.name} itself")
    if evidence.classes[model.model_class] < THIN:
        widening *= p["interval.unseen_class"]
        reasons.append(f"few of {model.model_class} models")
    if evidence.engines[deployment.engine.name] < THIN:
        widening *= p["interval.unseen_engine"]
        reasons.append(f"few with {deployment.engine.name}")
    half = {
        name.removeprefix("interval.half_"): value * widening
        for name, value in p.values.items()
        if name.startswith("interval.half_")
    }
    why = f"80 % range, from {evidence.total:,} published measurements"
    return Widths(half, f"{why}; wider: {', '.join(reasons)}" if reasons else why)
