"""Utilization is an output: whole replicas under published traffic, exact to the digit."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.cost import size_fleet
from compute.cost.fleet import fleet_shape
from content.tables import CATALOGUE
from content.traffic import load_traffic

DEMANDS = (0.02, 0.1, 0.5, 2, 10, 100)
# Per cent, static / autoscaled with one hour of lag, as the recipe's author printed them.
PRINTED = {
    "azure-2024-conversation": "2/2 10/10 50/50 50/69 50/80 52/83",
    "servegen-m-large": "2/2 10/10 25/37 33/48 33/53 34/54",
    "servegen-deepseek-r1": "2/2 10/10 25/41 33/62 37/70 38/72",
}


def records() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CATALOGUE / "traffic_profiles.json").read_text())
    return dict(found["profiles"])


@pytest.mark.parametrize("name", PRINTED)
def test_the_published_utilizations_come_out(name: str) -> None:
    found = []
    for demand in DEMANDS:
        pair = [
            size_fleet(records()[name], demand, scaling=scaling).utilization
            for scaling in ("static", "autoscaled")
        ]
        found.append("/".join(f"{round(100 * share)}" for share in pair))
    assert " ".join(found) == PRINTED[name]


def by_hand(record: Any, demand: Decimal, scaling: str) -> tuple[Decimal, int]:
    """The recipe word by word, hour by hour."""
    weights = [Decimal(str(w)) for w in record["hourly_weights"]]
    peak = Decimal(str(record.get("peak_1min_over_mean") or record["peak_10min_over_mean"]))
    if scaling == "static":
        count = max(1, math.ceil(demand * peak))
        return Decimal(count), count
    minutes = record.get("hourly_max_minute_over_mean")
    busy = [Decimal(str(m)) for m in minutes] if minutes else weights
    inside = Decimal(1) if minutes else max(Decimal(1), peak / max(weights))
    counts = []
    for hour in range(len(busy)):
        ahead = max(busy[hour], busy[(hour + 1) % len(busy)])
        needed = demand * ahead * inside
        # the division above has 28 digits: what is whole but for the last of them is whole
        counts.append(max(1, math.ceil(needed - Decimal("1e-20"))))
    return Decimal(sum(counts)) / len(counts), max(counts)


@pytest.mark.parametrize("name", [n for n, r in records().items() if r.get("hourly_weights")])
def test_twelve_fleets_of_every_profile_are_exact(name: str) -> None:
    record = records()[name]
    for demand in DEMANDS:
        for scaling in ("static", "autoscaled"):
            fleet = size_fleet(record, demand, scaling=scaling)
            mean, most = by_hand(record, Decimal(str(demand)), scaling)
            assert fleet.mean_replicas == pytest.approx(float(mean), rel=1e-12)
            assert fleet.max_replicas == most
            assert fleet.utilization == pytest.approx(demand / float(mean), rel=1e-12)


def test_a_hundred_times_55_hundredths_is_55_replicas_and_not_56() -> None:
    # in binary floats 100 * 0.55 is 55.00000000000001
    record = {"hourly_weights": [0.55] * 24, "peak_1min_over_mean": 0.55}
    assert size_fleet(record, 100).max_replicas == 55


def test_the_peak_of_a_minute_counts_before_that_of_ten() -> None:
    record = {"peak_1min_over_mean": 3.0, "peak_10min_over_mean": 2.0, "peak_hour_over_mean": 1.5}
    assert size_fleet(record, 10).max_replicas == 30


def test_published_nodes_stand_in_for_a_peak() -> None:
    fleet = size_fleet(records()["deepseek-online-2025"], 226.75)
    assert fleet.max_replicas == 278
    assert fleet.utilization == pytest.approx(0.8156, abs=1e-4)


def test_lag_looks_ahead_around_the_clock() -> None:
    weights = [0.0] * 23 + [24.0]
    record = {"hourly_weights": weights}
    now = size_fleet(record, 1, min_replicas=0, scaling="autoscaled", lag_h=0)
    early = size_fleet(record, 1, min_replicas=0, scaling="autoscaled", lag_h=2)
    assert now.mean_replicas == 1.0  # 24 replicas for one hour of 24
    assert early.mean_replicas == 3.0
    assert size_fleet(record, 1, scaling="autoscaled", lag_h=99).mean_replicas == 24.0


def test_headroom_multiplies_the_peak_and_a_second_replica_halves_the_use() -> None:
    record = {"peak_1min_over_mean": 2.0}
    assert size_fleet(record, 10, headroom=1.25).max_replicas == 25
    assert size_fleet(record, 0.1).utilization == pytest.approx(0.1)
    assert size_fleet(record, 0.1, min_replicas=2).utilization == pytest.approx(0.05)


@pytest.mark.parametrize(
    "bad",
    [{"mean_demand": -1}, {"headroom": 0}, {"min_replicas": -1}, {"lag_h": -1}, {"scaling": "x"}],
)
def test_figures_that_make_no_fleet_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fleet|static"):
        size_fleet({}, **({"mean_demand": 1} | bad))


@given(
    demand=st.floats(0.001, 1000),
    weights=st.lists(st.floats(0.01, 5), min_size=24, max_size=24),
    inside=st.floats(1, 5),
    lag=st.integers(0, 5),
)
def test_an_autoscaler_never_needs_more_than_a_static_fleet(
    demand: float, weights: list[float], inside: float, lag: int
) -> None:
    record = {"hourly_weights": weights, "peak_1min_over_mean": max(weights) * inside}
    static = size_fleet(record, demand)
    scaled = size_fleet(record, demand, scaling="autoscaled", lag_h=lag)
    assert scaled.max_replicas == static.max_replicas
    assert scaled.mean_replicas <= static.mean_replicas


@pytest.mark.parametrize("name", list(records()))
def test_what_the_answer_provisions_for_is_what_size_fleet_does(name: str) -> None:
    profile = load_traffic().find(name)
    assert profile is not None
    for scaling in ("static", "autoscaled"):
        shape = fleet_shape(profile, scaling, 1)
        counts = [(share, max(1, math.ceil(7.3 * load - 1e-9))) for share, load in shape.steps]
        fleet = size_fleet(records()[name], 7.3, scaling=scaling)
        assert sum(s * n for s, n in counts) == pytest.approx(fleet.mean_replicas)
        assert counts[0][1] == fleet.max_replicas
