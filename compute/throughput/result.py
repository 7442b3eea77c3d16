"""What the Throughput Calculator answers. Fields name their unit; GiB is 2^30 bytes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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


class SloPlan(_Value):
    """What it takes to hold the targets: requests in flight per replica, replicas for the rate.

    A replica is all the GPUs asked for, ``replica_gpus``; ``at_ttft_ms`` and ``at_tpot_ms`` are
    what it reaches with ``max_concurrency`` in flight (with one where the targets can't be held).
    ``gpus_low`` and ``gpus_high``: what the rate takes at the ends of the estimate's 80 % interval.
    """

    ttft_ms: float | None
    tpot_ms: float | None
    rate_rps: float | None
    met: bool
    max_concurrency: int
    replica_rps: float
    replicas: int | None
    gpus: int | None
    sentence: str
    replica_gpus: int = 1
    at_ttft_ms: float = 0.0
    at_tpot_ms: float = 0.0
    gpus_low: int | None = None
    gpus_high: int | None = None

    @property
    def rps_per_gpu(self) -> float:
        """Requests per second of one GPU while the targets hold."""
        return self.replica_rps / self.replica_gpus


class Estimate(_Value):
    """One choice of GPU and format. ``shares``: fractions of the decode step by cause, sum 1.

    ``bound_changes_at``: the larger batch from which ``bound_then`` takes the largest part of a
    step. ``tokens_per_step``: tokens a sequence gains in one, more than 1 with drafted tokens.
    """

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
    bound_changes_at: int | None = None
    bound_then: Bound | None = None
    cached_tokens: int = 0
    tokens_per_step: float = 1.0
    drafting: str = ""
    plan: SloPlan | None = None


class LeftOut(_Value):
    """A compared choice that cannot be, and why."""

    gpu_name: str
    weight_dtype: str
    reason: str


class Assumption(_Value):
    """One thing the estimate takes for granted, and where it is from."""

    text: str
    source: str = ""


class ThroughputResult(Result):
    """The answer for every compared GPU and format, in the order asked for.

    ``plan`` is the first estimate's; ``fewest_gpus`` is the place in ``estimates`` of the choice
    that holds the targets (and the rate) with the fewest GPUs, None where none does.
    """

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
    left_out: list[LeftOut] = Field(default_factory=list)
    fewest_gpus: int | None = None
