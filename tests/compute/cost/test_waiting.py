"""Head-room follows from the chance of waiting, and shrinks with scale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.cost.waiting import EXACT_SERVERS, Headroom, most_load, wait_probability


@pytest.mark.parametrize(
    ("slots", "percent"), [(8, 36), (32, 63), (64, 73), (128, 80), (256, 86), (1024, 93)]
)
def test_the_load_that_one_wait_in_a_hundred_allows(slots: int, percent: int) -> None:
    assert round(100 * most_load(slots, 0.01) / slots) == percent


@pytest.mark.parametrize(("slots", "percent"), [(64, 51), (256, 73)])
def test_bursty_arrivals_need_more_head_room(slots: int, percent: int) -> None:
    assert round(100 * 4 * most_load(slots / 4, 0.01) / slots) == percent


def test_erlang_c_of_the_text_books() -> None:
    assert wait_probability(1, 0.5) == pytest.approx(0.5)  # M/M/1: P(wait) = rho
    assert wait_probability(2, 1.0) == pytest.approx(1 / 3)  # M/M/2 at half load
    assert wait_probability(10, 8.0) == pytest.approx(0.4092, abs=5e-5)
    assert wait_probability(3, 3.0) == 1.0
    assert wait_probability(3, 0.0) == 0.0


def test_the_closed_form_takes_over_without_a_step() -> None:
    exact, closed = most_load(EXACT_SERVERS, 0.01), most_load(EXACT_SERVERS + 1e-6, 0.01)
    assert exact <= closed <= exact * 1.007


@given(
    load=st.floats(0.01, 3000),
    slots=st.integers(1, 500),
    chance=st.sampled_from([0.001, 0.01, 0.1, 0.5]),
    peakedness=st.floats(1, 20),
)
def test_the_replicas_named_carry_the_load(
    load: float, slots: int, chance: float, peakedness: float
) -> None:
    headroom = Headroom(slots, chance, peakedness)
    count = headroom.replicas(load)
    assert count >= load
    servers = slots / peakedness
    if servers == round(servers):  # exact there; straight lines in between
        assert wait_probability(count * servers, load * servers) <= chance * 1.05
    assert headroom.wait(count, load) <= chance


@given(
    load=st.floats(0.01, 2000),
    slots=st.integers(1, 300),
    chance=st.sampled_from([0.001, 0.01, 0.1, 0.5]),
    peakedness=st.floats(1, 20),
)
def test_half_the_load_never_needs_fewer_than_half_the_replicas(
    load: float, slots: int, chance: float, peakedness: float
) -> None:
    headroom = Headroom(slots, chance, peakedness)
    assert 2 * headroom.replicas(load / 2) >= headroom.replicas(load)
    assert headroom.replicas(load / 2) <= headroom.replicas(load)
