"""What one asks the Cost Calculator. The aliases are the short names of the slash command."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from compute.tool import Request
from content.traffic import cut_record

MAX_TOKENS = 10_000_000
MAX_REQUESTS_PER_DAY = 1e10
LEAST = 1e-9  # below it a float divides into infinities
MAX_TRACE_CHARS = 2_000_000  # of a member's own CSV
FIRST_DAY, LAST_DAY = dt.date(2020, 1, 1), dt.date(2099, 12, 31)
COUNT = re.compile(r"(\d{1,3}(?:,\d{3})+(?:\.\d{1,9})?|\d{1,12}(?:\.\d{1,9})?)([kmb]?)")
THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
DEFAULT_SLO = "ttft=2s tpot=50ms"
DEFAULT_TRAFFIC = "azure-2024-conversation"


def as_share(value: object) -> object:
    """``40%`` is 0.4; a number must be a share itself."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100
        except ValueError:
            return value
    return value


def as_count(value: object) -> object:
    """``200,000`` and ``1.5M`` as people write them."""
    if not isinstance(value, str):
        return value
    found = COUNT.fullmatch(value.strip().lower())
    if found is None:
        return value
    return float(found[1].replace(",", "")) * THOUSANDS[found[2]]


def as_word(value: object) -> object:
    """``Static`` means what it says."""
    return value.strip().lower() if isinstance(value, str) else value


Share = Annotated[Annotated[float, Field(ge=0, le=1)], BeforeValidator(as_share)]
Usd = Annotated[float, Field(ge=0, le=1e9)]


class CostRequest(Request):
    """A model and its traffic -> what each provider and each GPU choice costs a month.

    Lengths are tokens per request; a month is 730 hours (8,760 / 12); money is USD.
    """

    @model_validator(mode="before")
    @classmethod
    def _no_truths(cls, given: object) -> object:
        """JSON's true is no number: nothing here is asked with yes or no."""
        if not isinstance(given, Mapping):
            return given
        return {name: str(v) if isinstance(v, bool) else v for name, v in given.items()}

    model: str = Field(
        min_length=1,
        max_length=200,
        description="model: a name providers sell, from the catalogue, or any Hugging Face id",
        examples=["openai/gpt-oss-120b", "meta-llama/Llama-3.3-70B-Instruct"],
    )
    gpu: str = Field(
        default="",
        max_length=200,
        description="GPU to rent or buy, or a comma list to compare; empty = the usual ones",
        examples=["h100", "h100,h200,l40s"],
    )
    requests_per_day: (
        Annotated[
            Annotated[float, Field(ge=LEAST, le=MAX_REQUESTS_PER_DAY)], BeforeValidator(as_count)
        ]
        | None
    ) = Field(
        default=None,
        description="mean requests per day; empty = your own traffic's, else 100,000",
        examples=[200_000],
        json_schema_extra={"slider": {"low": 100, "high": 1e8, "log": True, "start": 100_000}},
    )
    isl: Annotated[Annotated[int, Field(ge=1, le=MAX_TOKENS)], BeforeValidator(as_count)] | None = (
        Field(
            default=None,
            alias="input",
            description="prompt tokens per request; empty = the traffic profile's own lengths",
            json_schema_extra={"slider": {"low": 16, "high": 131_072, "log": True, "start": 1024}},
        )
    )
    osl: Annotated[Annotated[int, Field(ge=0, le=MAX_TOKENS)], BeforeValidator(as_count)] | None = (
        Field(
            default=None,
            alias="output",
            description="generated tokens per request; empty = the traffic profile's own",
            json_schema_extra={"slider": {"low": 1, "high": 16_384, "log": True, "start": 256}},
        )
    )
    cached_share: Share | None = Field(
        default=None,
        alias="cached",
        description="share of the prompt tokens found in a prefix cache, 0 to 1",
        examples=[0.4],
        json_schema_extra={"slider": {"low": 0, "high": 1, "step": 0.01, "start": 0}},
    )
    traffic: str = Field(
        default=DEFAULT_TRAFFIC,
        max_length=80,
        description="shape of the traffic: a published profile, or flat",
        examples=["azure-2024-conversation", "servegen-deepseek-r1", "flat"],
    )
    pricing: str = Field(
        default="",
        max_length=60,
        description="on-demand or spot GPUs; standard, batch, flex or priority API",
        examples=["spot", "batch", "spot batch"],
    )
    slo: str = Field(
        default="",
        max_length=80,
        description=f"targets the GPUs must hold; empty = {DEFAULT_SLO}",
        examples=["ttft=500ms tpot=30ms"],
    )
    provider: str = Field(
        default="",
        max_length=200,
        description="only these providers (comma list); empty = all that sell the model",
        examples=["deepseek,together"],
    )
    # The model as it is served: passed to the Throughput Calculator.
    n_gpus: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, alias="gpus", description="GPUs of one replica; empty = the cheapest that fit"
    )
    weight_dtype: str = Field(
        default="auto", alias="dtype", max_length=20, description="weights: auto, bf16, fp8, ..."
    )
    # Prices of one's own.
    gpu_usd_per_hour: Annotated[float, Field(ge=LEAST, le=10_000)] | None = Field(
        default=None,
        alias="gpu_price",
        description="your price of one GPU, USD per hour; empty = what the market asks",
        json_schema_extra={"slider": {"low": 0.1, "high": 20, "log": True, "start": 2.5}},
    )
    api_usd_per_mtok_in: Usd | None = Field(
        default=None, alias="api_in", description="your API price, USD per million prompt tokens"
    )
    api_usd_per_mtok_out: Usd | None = Field(
        default=None, alias="api_out", description="your API price, USD per million output tokens"
    )
    api_usd_per_mtok_cached: Usd | None = Field(
        default=None,
        alias="api_cached",
        description="your API price, USD per million cached tokens",
    )
    # Hardware of one's own (capex set = bought, not rented).
    capex_usd_per_gpu: Annotated[float, Field(ge=LEAST, le=1e7)] | None = Field(
        default=None,
        alias="capex",
        description="buy instead of rent: USD per GPU with its share of the server",
    )
    years: Annotated[float, Field(ge=0.5, le=15)] = Field(
        default=4.0, description="years until bought hardware is written off"
    )
    power_usd_per_kwh: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.12, alias="kwh_price", description="electricity, USD per kWh (bought hardware)"
    )
    power_w_per_gpu: Annotated[float, Field(ge=LEAST, le=20_000)] | None = Field(
        default=None,
        alias="power_w",
        description="watts per GPU with its share of the server; empty = the GPU's TDP",
    )
    pue: Annotated[float, Field(ge=1, le=3)] = Field(
        default=1.5, description="power usage effectiveness of the site (bought hardware)"
    )
    hosting_usd_per_gpu_month: Usd = Field(
        default=0.0, alias="hosting", description="colocation, USD per GPU and month"
    )
    people_usd_per_month: Usd = Field(
        default=0.0, alias="people", description="people who run it, USD per month"
    )
    storage_usd_per_month: Usd = Field(
        default=0.0, alias="storage", description="storage and network of the fleet, USD per month"
    )
    # The fleet.
    scaling: Annotated[Literal["static", "autoscaled"], BeforeValidator(as_word)] = Field(
        default="static", description="a fixed fleet, or one that follows the hours"
    )
    lag_h: Annotated[int, Field(ge=0, le=24)] = Field(
        default=1, alias="lag", description="hours a new replica takes to be useful (autoscaled)"
    )
    min_replicas: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=2, description="replicas always running; 2 = one may fail"
    )
    wait_probability: Annotated[float, Field(ge=1e-300, lt=1)] = Field(
        default=0.01, alias="p_wait", description="chance that a request waits at the peak"
    )
    peakedness: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        default=None, description="burstiness of arrivals, 1 = Poisson; empty = the profile's"
    )
    utilization: (
        Annotated[Annotated[float, Field(ge=LEAST, le=1)], BeforeValidator(as_share)] | None
    ) = Field(default=None, description="your own utilization, shown beside the derived one")
    # Time.
    utc_offset_h: Annotated[float, Field(ge=-12, le=14)] = Field(
        default=0.0, alias="utc_offset", description="UTC offset of the profile's first hour, hours"
    )
    start: Annotated[dt.date, Field(ge=FIRST_DAY, le=LAST_DAY)] | None = Field(
        default=None, description="first day priced (YYYY-MM-DD, UTC); empty = today"
    )
    months: Annotated[int, Field(ge=1, le=36)] = Field(
        default=12, description="months the forecast looks ahead"
    )
    growth: Annotated[float, Field(ge=-0.9, le=10)] = Field(
        default=0.0, description="growth of the traffic per month, 0.1 = 10 %"
    )
    # Traffic of one's own.
    profile: Annotated[dict[str, JsonValue] | None, BeforeValidator(cut_record)] = Field(
        default=None, description="your own traffic profile (JSON, as in traffic_profiles.json)"
    )
    trace_csv: Annotated[str, Field(max_length=MAX_TRACE_CHARS)] | None = Field(
        default=None,
        exclude=True,  # 2 MB of somebody's log: the answer holds what was made of it
        description="your own requests as CSV text: timestamp, input tokens, output tokens",
        json_schema_extra={"upload": ".csv"},
    )
