"""What the Throughput Calculator answers. Fields name their unit; GiB is 2^30 bytes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from compute.tool import Fix, Result

Bound = Literal["memory", "compute", "link", "overhead"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Value):
    """A figure with its 80 % interval."""

    value: float
    low: float
    high: float


class Memory(_Value):
    """Where one GPU's memory goes (``kv_gib_per_seq``: one whole sequence over all its GPUs)."""

    usable_gib_per_gpu: float
    weights_gib: float
    weights_gib_per_gpu: float
    kv_gib_per_seq: float
    overhead_gib: float


class CurvePoint(_Value):
    """One load of the trade-off between a user's speed and a GPU's output."""

    concurrency: int
    tps_user: float
    tps_gpu: float
    ttft_ms: float


class Measured(_Value):
    """A published measurement near this configuration (``metric`` as in the catalogue)."""

    value: float
    metric: str
    engine: str
    engine_version: str
    gpu: str
    n_gpus: int
    model: str
    weight_dtype: str
    isl: int
    osl: int
    concurrency: str
    source: str
    url: str
    date: str


class Estimate(_Value):
    """One GPU choice. ``shares`` are fractions of the decode step by cause, summing to 1."""

    gpu: str
    gpu_name: str
    n_gpus: int
    tp: int
    pp: int
    ep: int
    attn_dp: int
    replicas: int = 1
    engine: str
    weight_dtype: str
    compute_dtype: str
    kv_dtype: str
    concurrency: int
    fits: bool
    fit_sentence: str
    output_tps: Range
    output_tps_per_gpu: float
    total_tps: float
    decode_tps_user: Range
    prefill_tps: Range
    ttft_ms: Range
    tpot_ms: Range
    request_s: float
    memory: Memory
    max_concurrency: int
    bound: Bound
    shares: dict[str, float]
    compute_bound_at: int | None
    why: str
    range_why: str
    curve: list[CurvePoint]
    measured: Measured | None
    notes: list[str]


class SloPlan(_Value):
    """What it takes to hold the targets: requests in flight per replica, replicas for the rate."""

    ttft_ms: float | None
    tpot_ms: float | None
    rate_rps: float | None
    met: bool
    max_concurrency: int
    replica_rps: float
    replicas: int | None
    gpus: int | None
    sentence: str


class Assumption(_Value):
    """One thing the estimate takes for granted, and where it is from."""

    text: str
    source: str = ""


class ThroughputResult(Result):
    """The answer for every compared GPU, first the one asked for first."""

    model: str
    model_name: str
    params_b: float
    active_params_b: float
    isl: int
    osl: int
    estimates: list[Estimate]
    plan: SloPlan | None
    fixes: list[Fix]
    assumptions: list[Assumption]
