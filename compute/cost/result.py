"""What the Cost Calculator answers. Money is USD; a month is 730 hours; Mtok = 10^6 tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from compute.tool import Fix, Result

Side = Literal["api", "selfhost", "unknown"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Value):
    """A figure with the lowest and highest it may be; why it varies is said where it is used."""

    value: float
    low: float
    high: float


class Traffic(_Value):
    """The load. ``hourly_weights`` repeat over ``period_hours`` and have mean 1 (one = flat).

    ``peak_over_mean`` is the finest published peak (``peak_bin_s`` seconds; 0 = not known);
    ``peakedness`` is the variance-to-mean ratio of the requests in the system, 1 for Poisson.
    """

    name: str
    description: str
    source: str
    requests_per_day: float
    mean_rps: float
    isl: float
    osl: float
    cached_share: float
    tokens_per_month: float
    input_tokens_per_month: float
    cached_tokens_per_month: float
    output_tokens_per_month: float
    hourly_weights: list[float]
    period_hours: int
    peak_over_mean: float
    peak_bin_s: int
    peakedness: float
    length_buckets: int
    utc_offset_h: float


class ProviderCost(_Value):
    """One provider's offer. ``usd_per_month`` None = the price is unknown, never free.

    ``range`` varies with the cache: low = every cacheable token hits, high = none does.
    ``usd_per_mtok`` divides by all tokens, prompt and output. ``price_*`` are the base rates in
    USD per Mtok, before tiers and hours (None = no such price).
    """

    provider: str
    provider_name: str
    model: str
    model_name: str
    processing: str
    usd_per_month: float | None
    usd_per_mtok: float | None
    range: Range | None
    price_in: float | None
    price_cached: float | None
    price_out: float | None
    price_date: str
    price_source: str
    pricing_url: str
    tiered: bool
    time_of_day: bool
    processings: list[str]
    notes: list[str]


class CostLine(_Value):
    """One part of a self-hosted month: rent, hardware, power, hosting, people, storage."""

    name: str
    usd_per_month: float
    detail: str = ""


class GpuPrice(_Value):
    """USD per GPU-hour: the snapshot's low, median and high, or one's own price (all three)."""

    low: float
    median: float
    high: float
    offers: int
    providers: int
    low_provider: str
    high_provider: str
    oldest: str
    newest: str
    stale: bool
    pricing: Literal["on-demand", "spot", "own", "bought"]
    source: str


class GpuChoice(_Value):
    """Self-hosting on one GPU. Where ``feasible`` is false only ``sentence`` says why;
    ``unpriced``: it can serve, but nobody in the snapshot lists its price.

    ``demand_replicas`` is D = mean requests/s over what one replica serves within the targets;
    ``replicas`` is N at the peak, ``mean_replicas`` over the hours; ``utilization`` = D / mean N.
    ``wait_probability`` holds in the busiest bin. ``usd_per_month`` and ``usd_per_mtok`` range
    over the price of the GPU alone; ``throughput_low/high`` repeat the month at the ends of the
    throughput estimate (80 %). ``typed_*`` answer a typed-in utilization.
    """

    gpu: str
    gpu_name: str
    feasible: bool
    sentence: str
    unpriced: bool = False
    n_gpus_per_replica: int = 0
    weight_dtype: str = ""
    parallel: str = ""
    engine: str = ""
    replica_rps: float = 0.0
    slots_per_replica: int = 0
    replica_tps: float = 0.0
    demand_replicas: float = 0.0
    replicas: int = 0
    min_replicas: int = 0
    mean_replicas: float = 0.0
    gpus: int = 0
    peak_over_mean: float = 0.0
    utilization: float = 0.0
    wait_probability: float = 0.0
    price: GpuPrice | None = None
    lines: list[CostLine] = []
    usd_per_month: Range | None = None
    usd_per_mtok: Range | None = None
    throughput_low_usd: float | None = None
    throughput_high_usd: float | None = None
    typed_utilization: float | None = None
    typed_usd_per_month: float | None = None
    typed_usd_per_mtok: float | None = None
    breakeven_requests_per_day: float | None = None
    notes: list[str] = []


class Curve(_Value):
    """Cost over volume, drawn with straight lines: a step has its x twice.

    ``xs`` are requests per day, ``ys`` USD per month; ``low``/``high`` the band of the GPU's price
    (same length as ``ys``, empty for providers).
    """

    name: str
    kind: Literal["api", "selfhost"]
    key: str
    xs: list[float]
    ys: list[float]
    low: list[float] = []
    high: list[float] = []


class Breakeven(_Value):
    """Where self-hosting on the best GPU meets the cheapest provider.

    ``requests_per_day`` is the volume from which self-hosting stays cheaper (None = never, up to
    the ``highest_checked``); ``first_requests_per_day`` the first volume at which it is cheaper
    (a step up may lose again). ``crossings`` are all volumes at which the cheaper side changes.
    """

    provider: str
    gpu: str
    requests_per_day: float | None
    first_requests_per_day: float | None
    crossings: list[float]
    highest_checked: float
    mtok_per_month: float | None
    sentence: str


class Scenario(_Value):
    """One row of the sensitivity table: what changed and both sides' month."""

    name: str
    group: Literal["volume", "gpu price", "cache", "throughput"]
    api_usd: float | None
    selfhost_usd: float | None
    utilization: float | None
    winner: Side


class ForecastMonth(_Value):
    """One month ahead (``month`` is YYYY-MM-DD, its first day)."""

    month: str
    requests_per_day: float
    api_usd: float | None
    selfhost_usd: float | None


class PriceChange(_Value):
    """A price in the data that starts within the forecast."""

    provider: str
    model: str
    date: str
    sentence: str


class Assumption(_Value):
    """One thing taken for granted, where it is from and how old it is ('' = ours, no date)."""

    text: str
    source: str = ""
    date: str = ""


class CostResult(Result):
    """The whole answer. ``providers`` and ``gpus`` are cheapest first, unknown and infeasible last.

    ``winner`` compares the cheapest provider with the best GPU at median price; ``winner_usd`` is
    how much it saves a month and ``winner_ratio`` the other's cost over its own; ``clear`` is
    false where the ranges overlap. ``headline`` is the first line of the answer.
    """

    model: str
    model_name: str
    hub_id: str | None
    headline: str
    why: str
    winner: Side
    winner_name: str
    winner_usd: float | None
    winner_ratio: float | None
    clear: bool
    traffic: Traffic
    providers: list[ProviderCost]
    gpus: list[GpuChoice]
    breakeven: Breakeven | None
    curves: list[Curve]
    sensitivity: list[Scenario]
    forecast: list[ForecastMonth]
    price_changes: list[PriceChange]
    assumptions: list[Assumption]
    warnings: list[str]
    fixes: list[Fix]
    prices_date: str
    prices_source: str
    gpu_prices_date: str
    hours_per_month: float
    start: str
