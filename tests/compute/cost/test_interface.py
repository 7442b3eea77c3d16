"""The public names of compute.cost as others call them, and what they promise, recomputed here."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import compute.cost as cost
from compute.cost import Usage, price_month, price_request, size_fleet
from content.tables import CATALOGUE

AT = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
RECORDS: dict[str, Any] = json.loads((CATALOGUE / "traffic_profiles.json").read_text())["profiles"]
DEMANDS = (0.02, 0.1, 0.5, 2, 10, 100)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Usage", "input_tokens, output_tokens, cache_read_tokens=0, cache_write_tokens=0"),
        ("price_request", "model, provider, usage, at, processing=None"),
        (
            "price_month",
            "model, provider, requests, usage_each, at, profile=None, processing=None",
        ),
        (
            "size_fleet",
            "profile, mean_demand, min_replicas=1, scaling='static', lag_h=1, headroom=1.0",
        ),
        ("selfhost_usd_per_mtok", "usd_per_hour, tokens_per_s, utilization=1.0"),
        ("selfhost_month", "usd_per_hour, hours=730"),
        ("api_usd", "usage, usd_per_mtok_in, usd_per_mtok_out, usd_per_mtok_cached=None"),
        ("breakeven_mtok", "selfhost_usd_per_month, usd_per_mtok"),
    ],
)
def test_names_order_and_defaults_are_the_interface(name: str, parameters: str) -> None:
    found = inspect.signature(getattr(cost, name)).parameters.values()
    said = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in found)
    assert said.startswith(parameters)


def peak_of(record: dict[str, Any]) -> float:
    for field in ("peak_1min_over_mean", "peak_10min_over_mean", "peak_hour_over_mean"):
        if record.get(field) is not None:
            return float(record[field])
    return float(record["peak_nodes"] / record["mean_nodes"])


def by_recipe(
    record: dict[str, Any], demand: float, least: int, scaling: str, lag: int, headroom: float
) -> tuple[Fraction, int]:
    """Plain floats, whole where they are whole but for their last digits."""
    busy = record.get("hourly_max_minute_over_mean")
    if busy is None:
        weights = record.get("hourly_weights") or [1.0]
        busy = [weight * max(1.0, peak_of(record) / max(weights)) for weight in weights]
    if scaling == "static":
        busy = [peak_of(record)]
    ahead = [max(busy[(h + n) % len(busy)] for n in range(lag + 1)) for h in range(len(busy))]
    counts = [max(least, math.ceil(demand * load * headroom - 1e-9)) for load in ahead]
    return Fraction(sum(counts), len(counts)), max(counts)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("scaling", ["static", "autoscaled"])
def test_every_fleet_of_the_recipe_comes_out(name: str, scaling: Any) -> None:
    record = RECORDS[name]
    for demand in DEMANDS:
        for lag, least, headroom in ((0, 1, 1.0), (1, 1, 1.0), (2, 1, 1.0), (1, 2, 1.3)):
            fleet = size_fleet(record, demand, least, scaling, lag, headroom)
            mean, most = by_recipe(record, demand, least, scaling, lag, headroom)
            assert fleet.max_replicas == most
            assert fleet.mean_replicas == pytest.approx(float(mean), rel=1e-12)
            assert fleet.utilization == pytest.approx(demand / float(mean), rel=1e-12)


@pytest.mark.parametrize("provider", ["deepseek", "openai", "google", "anthropic"])
def test_a_price_is_an_object_with_usd_source_and_date(provider: str) -> None:
    model = {
        "deepseek": "deepseek-v4-pro",
        "openai": "gpt-5",
        "google": "gemini-3.8-flash",
        "anthropic": "claude-sonnet-4-5",
    }[provider]
    usage = Usage(input_tokens=1200, output_tokens=300, cache_read_tokens=400)
    one = price_request(model=model, provider=provider, usage=usage, at=AT)
    assert isinstance(one.usd, Decimal) and one.usd > 0
    assert one.source and dt.date.fromisoformat(one.date) <= AT.date()
    month = price_month(
        model=model, provider=provider, requests=1000, usage_each=[(1, usage)], at=AT,
        profile=RECORDS["servegen-deepseek-r1"],
    )  # fmt: skip
    assert month.usd is not None and month.source and month.date
    assert 1000 * one.usd <= month.usd <= 2000 * one.usd  # by day the peaks cost twice
    if provider != "deepseek":
        assert month.usd == 1000 * one.usd


@pytest.mark.parametrize("scale", [1, 3, 1000])
def test_the_weights_of_buckets_are_shares_of_any_scale(scale: int) -> None:
    short, long = Usage(150_000, 100), Usage(250_000, 100)
    buckets = [(9 * scale, short), (scale, long)]
    month = price_month("claude-sonnet-4-5", "anthropic", 100, buckets, AT).usd
    each = [price_request("claude-sonnet-4-5", "anthropic", u, AT).usd for u in (short, long)]
    assert each[0] is not None and each[1] is not None
    assert month == 90 * each[0] + 10 * each[1]


@pytest.mark.parametrize(
    "profile",
    [[], "x", {"hourly_weights": [0] * 24}, {"hourly_weights": [-1, 2]}, {"hourly_weights": "ab"},
     {"hourly_weights": [float("nan")]}, {"hourly_weights": ["1"]}, {"hourly_weights": [True]}],
)  # fmt: skip
def test_what_is_no_profile_is_a_value_error_everywhere(profile: Any) -> None:
    for scaling in ("static", "autoscaled"):
        with pytest.raises(ValueError, match=r"profile|hourly_weights|finite"):
            size_fleet(profile, 5, scaling=scaling)
    with pytest.raises(ValueError, match=r"profile|hourly_weights|finite"):
        price_month("deepseek-v4-pro", "deepseek", 1, Usage(1, 1), AT, profile)


@pytest.mark.parametrize("requests", [-1, float("nan"), float("inf")])
def test_a_month_of_no_possible_number_of_requests_is_a_value_error(requests: float) -> None:
    with pytest.raises(ValueError, match=r"at least 0|finite"):
        price_month("gpt-5", "openai", requests, Usage(1, 1), AT)


def test_a_time_that_is_none_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="datetime or a date"):
        price_request("gpt-5", "openai", Usage(1, 1), "soon")  # type: ignore[arg-type]
