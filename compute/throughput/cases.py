"""Published measurements as things to predict: each with its deployment and load."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from compute.throughput.deployment import Deployment, deploy, rates_of
from compute.throughput.dtypes import WeightDtype, weight_dtype
from compute.throughput.engines import pick_engine
from compute.throughput.fit import fits
from compute.throughput.hardware import Device, from_catalogue
from compute.throughput.memory import GIB
from compute.throughput.model import ModelSpec, build_model
from compute.throughput.parallel import Layout
from compute.throughput.parameters import Parameters
from compute.throughput.roofline import prefill_pass
from compute.throughput.serving import Load, Served, serve
from content.gpus import GpuCatalogue
from content.measurements import Measurement
from content.models import ModelCatalogue

FILE_SIZE = re.compile(r"gguf (\d+(?:\.\d+)?) GiB")
MEDIAN = re.compile(r"\bmedian\b")  # of all requests; a row that does not say is taken as a mean
DEPTH = re.compile(r"pp(\d+) @ d(\d+)")  # llama-bench: prompt tokens after that many cached ones


@dataclass(frozen=True)
class Case:
    """One measurement, ready to be predicted again and again."""

    row: Measurement
    deployment: Deployment
    load: Load


def build_cases(
    rows: Iterable[Measurement], gpus: GpuCatalogue, models: ModelCatalogue
) -> list[Case]:
    """A case for every row; the catalogue holds every GPU and model they name."""
    specs: dict[str, ModelSpec] = {}
    made: dict[tuple[object, ...], Deployment] = {}
    cases = []
    for row in rows:
        formats = (row.engine, row.weight_dtype, row.kv_dtype)
        split = (row.n_gpus, row.tp, row.pp, row.ep, row.attn_dp)
        key = (row.gpu, row.model, formats, split)
        if key not in made:
            if row.model not in specs:
                found = models.find(row.model)
                assert found is not None, row.model
                specs[row.model] = build_model(found.id, found.config)
            made[key] = _deployment(row, specs[row.model], gpus)
        cases.append(Case(row, made[key], Load(row.isl, row.osl, row.concurrency)))
    return cases


def _deployment(row: Measurement, model: ModelSpec, gpus: GpuCatalogue) -> Deployment:
    gpu = gpus.find(row.gpu)
    assert gpu is not None, row.gpu
    device = from_catalogue(gpu)
    engine = pick_engine(row.engine, row.weight_dtype, device)
    weights = _weights(row, model, device, engine.name)
    for layout in row_layouts(row):
        deployment = deploy(model, device, layout, engine, weights, row.kv_dtype)
        if fits(deployment, Load(row.isl, row.osl, row.concurrency)):
            break
    return deployment


def _weights(row: Measurement, model: ModelSpec, device: Device, engine: str) -> WeightDtype:
    """The row's format; where it states the size of the file, the bits that file really has."""
    weights = weight_dtype(row.weight_dtype, model, device, engine)
    size = FILE_SIZE.search(row.notes)
    if size is None or weights.family != "gguf":
        return weights
    return replace(weights, bits=float(size.group(1)) * 8 * GIB / model.total_params)


def row_layouts(row: Measurement) -> list[Layout]:
    """The split a row states, copies beyond it; where tp is not stated, the smallest first."""
    pp, dp = row.pp or 1, row.attn_dp or 1
    tps = [row.tp] if row.tp else [tp for tp in (1, 2, 4, 8) if row.n_gpus % (tp * pp) == 0]
    return [Layout(tp, pp, row.ep or 1, dp, max(1, row.n_gpus // (tp * pp))) for tp in tps]


def predict(case: Case, p: Parameters) -> float:
    """The row's metric as the estimator sees it, in the metric's unit."""
    rates = rates_of(case.deployment, p)
    depth = DEPTH.search(case.row.notes)
    if depth is not None and case.row.metric == "prefill_tps":
        fresh = float(depth.group(1))
        return fresh / prefill_pass(rates, fresh, done=float(depth.group(2))).total_s
    served = serve(case.deployment, rates, case.load, p)
    if case.row.metric == "ttft_ms" and MEDIAN.search(case.row.notes):
        return served.ttft_median_s * 1e3
    return metric_value(case.row.metric, served)


def metric_value(metric: str, served: Served) -> float:
    """One of the five published metrics (``content.measurements.METRICS``) of a steady state."""
    if metric == "output_tps":
        return served.output_tps
    if metric == "total_tps":
        return served.total_tps
    if metric == "decode_tps_user":
        return 1.0 / served.tpot_s
    if metric == "prefill_tps":
        return served.prefill_tps
    return served.ttft_s * 1e3
