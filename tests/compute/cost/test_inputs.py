"""What the Cost Calculator takes, and the refusals that name the way out."""

from __future__ import annotations

from typing import Any

import pytest

from compute.cost.offers import parse_pricing
from compute.tool import Refused
from tests.compute.cost.known import ask, request


@pytest.mark.parametrize(
    ("inputs", "field", "near"),
    [
        ({"model": "deepseek-v4"}, "model", "deepseek/deepseek-v4-pro"),
        ({"model": "gpt-os-120b"}, "model", "openai/gpt-oss-120b"),
        ({"traffic": "azure-conv"}, "traffic", "azure-2024-conversation"),
        ({"gpu": "h1000"}, "gpu", "H100 SXM"),
        ({"pricing": "bulk"}, "pricing", "batch"),
        ({"pricing": "batch flex"}, "pricing", "batch"),
        ({"provider": "opnai"}, "provider", "openai"),
        ({"slo": "fast"}, "slo", "ttft=500ms"),
        ({"model": "deepseek-v4-pro", "provider": "deepseek", "pricing": "flex"}, "pricing",
         "standard"),
    ],
)  # fmt: skip
def test_what_is_unknown_is_refused_with_the_nearest(
    inputs: dict[str, Any], field: str, near: str
) -> None:
    with pytest.raises(Refused) as refused:
        ask(**inputs)
    assert refused.value.refusal.field == field
    assert near in refused.value.refusal.nearest


@pytest.mark.parametrize(
    "record",
    [
        {"hourly_weights": [1, 2]},
        {"hourly_weights": ["1"] * 24},
        {"hourly_weights": [0] * 24},
        {"hourly_weights": [1e308] * 24},
        {"hourly_weights": [10**400] * 24},
        {"hourly_weights": [1] * 24, "peak_1min_over_mean": 0.5},
        {"hourly_weights": [1] * 24, "hourly_max_minute_over_mean": [0.1] * 24},
        {"peak_1min_over_mean": -1},
        {"peak_1min_over_mean": "<script>"},
        {"input_tokens": {"mean": 0}},
        {"input_tokens": {"mean": 10, "p50": 5, "p99": 1}},
    ],
)
def test_a_profile_that_cannot_be_is_refused_in_words(record: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="Your profile's") as refused:
        ask(profile=record)
    assert refused.value.refusal.field == "profile"


@pytest.mark.parametrize("field", ["input_tokens", "output_tokens"])
def test_lengths_no_model_reads_are_refused_in_words(field: str) -> None:
    with pytest.raises(Refused, match="at most 10,000,000 tokens"):
        ask(profile={field: {"mean": 1e8}})
    rows = "".join(f"{second},100000000,5\n" for second in range(20))
    with pytest.raises(Refused, match="at most 10,000,000 tokens") as refused:
        ask(trace_csv=f"time,input,output\n{rows}")
    assert refused.value.refusal.field == "trace_csv"


@pytest.mark.parametrize("field", ["requests_per_day", "gpu_price", "utilization", "capex"])
@pytest.mark.parametrize("value", [True, "5e-324", float("nan"), "1e999", -1, "many", [1]])
def test_what_is_no_usable_number_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(Refused, match=f"{field} must be"):
        ask(**{field: value})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("200,000", 200_000), ("1.5M", 1.5e6), ("200k", 200_000), ("2B", 2e9), ("5e6", 5e6),
     (" 1,234.5 ", 1234.5), ("0.5", 0.5)],
)  # fmt: skip
def test_counts_are_read_as_people_write_them(typed: str, meant: float) -> None:
    assert request(requests_per_day=typed).requests_per_day == meant
    assert request(input="1,200", output="4k").osl == 4000


@pytest.mark.parametrize("typed", ["1,2", "1,0000", "12,34,567", "k", "1 000", "-1k", "1kk"])
def test_counts_that_may_mean_two_things_are_refused(typed: str) -> None:
    with pytest.raises(Refused, match="requests_per_day must be"):
        request(requests_per_day=typed)


def test_traffic_next_to_nothing_ends_in_finite_numbers() -> None:
    result = ask(profile={"mean_rps": 5e-324}, gpu="h100")
    assert result.headline.startswith("Buy it: under $0.000001 a month")
    assert "under 0.1 %" in result.why
    assert "Infinity" not in result.model_dump_json()


def test_a_profile_of_ones_own_is_used() -> None:
    weights = [2.0] * 12 + [0.0] * 12
    result = ask(profile={"hourly_weights": weights, "peak_1min_over_mean": 6.0, "x": ["y"] * 9})
    assert result.traffic.peak_over_mean == 6.0
    assert result.traffic.hourly_weights == weights
    assert "x" not in (request(profile={"x": 1}).profile or {})


def test_spot_and_processing_are_one_option() -> None:
    assert parse_pricing("") == ("on-demand", "standard")
    assert parse_pricing("Spot, batch") == ("spot", "batch")
    assert parse_pricing("on demand") == ("on-demand", "standard")
    for text in ("batch spot", "spot+batch", "spot / batch", "Batch;Spot", "standard spot batch",
                 "batch standard spot"):  # fmt: skip
        assert parse_pricing(text) == ("spot", "batch"), text
    for text in ("ondemand", "on_demand default", "On-Demand standard", " , "):
        assert parse_pricing(text) == ("on-demand", "standard"), text
    spot = ask(gpu="h100", pricing="spot").gpus[0].price
    assert spot is not None
    assert spot.pricing == "spot"
    listed = ask(gpu="mi300x", pricing="spot").gpus[0]
    assert not listed.feasible
    assert "only on-demand" in listed.sentence


@pytest.mark.parametrize(
    "inputs",
    [
        {"requests_per_day": 1e10, "input": 10**7, "output": 10**7, "gpu": "t4"},
        {"requests_per_day": 1e-9, "min_replicas": 10_000, "growth": 10, "months": 36},
        {"wait_probability": 1e-300, "peakedness": 1000, "scaling": "autoscaled", "lag": 24},
        {"gpu_price": 1e-9, "api_in": 0, "api_out": 0, "utilization": 1e-9},
        {"capex": 1e-9, "power_w": 1e-9, "kwh_price": 0, "slo": "ttft=1ms"},
        {"start": "2099-12-31", "months": 36, "utc_offset": 0.01, "output": 0},
        {"gpu": "80GiB 3350GB/s 989TFLOPS", "gpu_price": 2, "requests_per_day": 1e9},
    ],
)
def test_extremes_end_in_finite_numbers(inputs: dict[str, Any]) -> None:
    text = ask(**inputs).model_dump_json()
    assert "Infinity" not in text
    assert "NaN" not in text


@pytest.mark.parametrize("day", ["1970-01-01", "9999-12-31", "soon"])
def test_a_day_that_no_price_list_knows_is_refused(day: str) -> None:
    with pytest.raises(Refused, match="start must be"):
        ask(start=day)
