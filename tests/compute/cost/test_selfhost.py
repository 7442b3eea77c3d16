"""One's own GPUs: whole replicas, rent paid used or not, never cheaper per token when quieter."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.cost.choices import _own_price
from compute.cost.fleet import Shape, fleet_shape
from compute.cost.selfhost import cost_lines, power_usd_per_hour, terms_of
from compute.cost.staircase import crossings, log_grid, staircase
from compute.cost.waiting import Headroom
from content.traffic import load_traffic
from tests.compute.cost.known import hosting, machine, request, served

SHAPES = [Shape(((1.0, 2.0),))] + [
    fleet_shape(profile, "autoscaled", 1) for profile in load_traffic()
]


def test_rent_is_price_times_hours_whatever_the_load() -> None:
    one = hosting()
    assert one.usd(1) == one.usd(1000) == 2.0 * 730
    assert one.fleet(1000).utilization == pytest.approx(1000 / 86_400 / 4.0)


def test_replicas_are_whole_and_cost_is_a_staircase() -> None:
    one = hosting()
    steps = {one.usd(volume) for volume in log_grid(1_000, 3_000_000, 400)}
    assert all(usd % (2.0 * 730) == 0 for usd in steps)
    assert len(steps) > 5


def test_a_spare_replica_doubles_the_rent_and_halves_the_use() -> None:
    alone, spare = hosting().fleet(1000), hosting(min_replicas=2).fleet(1000)
    assert spare.usd == 2 * alone.usd
    assert spare.utilization == pytest.approx(alone.utilization / 2)


@given(
    volume=st.floats(0.1, 1e8),
    shape=st.sampled_from(SHAPES),
    rps=st.floats(0.01, 100),
    slots=st.integers(1, 2000),
    least=st.integers(1, 4),
    fixed=st.floats(0, 1e5),
    peakedness=st.sampled_from([1.0, 1.7, 4.0, 30.0]),
)
def test_halving_the_traffic_never_lowers_the_price_of_a_token(
    volume: float,
    shape: Shape,
    rps: float,
    slots: int,
    least: int,
    fixed: float,
    peakedness: float,
) -> None:
    sizes = (served(1, rps, slots), served(2, rps * 2.1, slots * 2))
    one = hosting(*sizes, shape=shape, min_replicas=least, fixed_usd=fixed, peakedness=peakedness)
    full, half = one.usd(volume) / volume, one.usd(volume / 2) / (volume / 2)
    assert half >= full * (1 - 1e-12)


@given(
    volume=st.floats(1, 1e9),
    shape=st.sampled_from(SHAPES),
    slots=st.integers(1, 2000),
    least=st.integers(1, 3),
    monthly=st.floats(0, 1000),
)
def test_no_volume_costs_less_each_than_full_replicas(
    volume: float, shape: Shape, slots: int, least: int, monthly: float
) -> None:
    sizes = (served(1, 4.0, slots), served(2, 8.4, slots * 2))
    one = hosting(*sizes, shape=shape, min_replicas=least, monthly_usd=monthly)
    assert one.usd(volume) / volume >= one.least_usd_each() * (1 - 1e-6)


@pytest.mark.parametrize("slots", [1, 7, 64, 4000])
def test_the_mean_over_the_hours_is_that_of_each_hour(slots: int) -> None:
    headroom = Headroom(slots, 0.01, 4.0)
    for shape in SHAPES:
        for demand in (0.001, 0.2, 1.0, 7.7, 300.0):
            most, mean = headroom.over(demand, shape.steps, 2)
            counts = [max(2, headroom.replicas(demand * load)) for _, load in shape.steps]
            shares = [share for share, _ in shape.steps]
            assert most == counts[0] == max(counts)
            assert mean == pytest.approx(sum(s * c for s, c in zip(shares, counts, strict=True)))


@given(volume=st.floats(1, 1e8), more=st.floats(1, 3), shape=st.sampled_from(SHAPES))
def test_more_traffic_never_costs_less_in_all(volume: float, more: float, shape: Shape) -> None:
    one = hosting(shape=shape)
    assert one.usd(volume * more) >= one.usd(volume)


@given(volume=st.floats(1, 1e7), usd=st.floats(0.1, 10))
def test_a_dearer_gpu_costs_more(volume: float, usd: float) -> None:
    one = hosting()
    assert one.usd(volume, usd * 1.5) > one.usd(volume, usd)


def test_the_lines_add_up_to_the_month() -> None:
    asked = request(capex=30_000, years=4, hosting=50, people=10_000, storage=300, power_w=1000)
    price = _own_price(1.0, "bought")
    terms = terms_of(asked, machine(), price, Shape(((1.0, 2.0),)), 1.0)
    fleet = hosting(min_replicas=2).fleet(1000)
    lines = {line.name: line.usd_per_month for line in cost_lines(asked, fleet, terms, machine())}
    assert lines["hardware"] == pytest.approx(2 * 30_000 / 48)  # $15,000 over 36 months: 416.67
    assert lines["power"] == pytest.approx(2 * 1.0 * 1.5 * 0.12 * 730)
    assert lines["hosting"] == 100
    assert lines["people"] == 10_000
    assert lines["storage"] == 300
    running = 2 * terms.gpu_usd_per_hour * 730 + 2 * terms.gpu_usd_per_month + terms.fixed_usd
    assert sum(lines.values()) == pytest.approx(running)


def test_power_is_watts_times_pue_times_the_price_of_a_kilowatt_hour() -> None:
    asked = request(capex=1, kwh_price=0.10, pue=1.2)
    assert power_usd_per_hour(asked, machine()) == pytest.approx(0.7 * 1.2 * 0.10)


def test_the_edges_of_a_staircase_are_drawn_exactly() -> None:
    def cost(volume: float) -> float:
        return 100.0 * (1 + int(volume // 50))

    volumes = staircase(cost, log_grid(10, 200, 5))
    pairs = list(pairwise(volumes))
    jumps = [(a, b) for a, b in pairs if cost(a) != cost(b)]
    assert [round(b) for _, b in jumps] == [50, 100, 150, 200]
    assert all(b - a < 1e-4 * b for a, b in jumps)


def test_a_break_even_under_a_staircase_may_be_lost_again() -> None:
    def steps(volume: float) -> float:
        return 100.0 * (1 + int(volume // 100))

    found = crossings(steps, lambda volume: 1.5 * volume, log_grid(1, 10_000, 200))
    assert [round(volume) for volume in found] == [67, 100, 133]


@given(price=st.floats(0.5, 3.0), rent=st.floats(50, 500))
def test_at_a_break_even_both_sides_cost_the_same(price: float, rent: float) -> None:
    found = crossings(lambda v: rent, lambda v: price * v, log_grid(1, 1e6, 91))
    assert len(found) == 1
    assert found[0] == pytest.approx(rent / price, rel=1e-5)
