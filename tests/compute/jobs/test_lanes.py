"""A job goes to one lane, and every machine that has what it needs serves that lane."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.jobs.job import Machine
from compute.jobs.lanes import MEMORY_GIB, SMS, allowed_lanes, is_lane, lane_of, lanes_of
from compute.tool import Needs

H100 = Machine(gpu="NVIDIA H100 80GB HBM3", gpu_key="h100-sxm", memory_gib=79.6, sm=90)
RTX_4090 = Machine(gpu="NVIDIA GeForce RTX 4090", gpu_key="rtx-4090", memory_gib=23.5, sm=89)
NO_GPU = Machine(cores=8, host_gib=32)


@pytest.mark.parametrize(
    ("needs", "lane"),
    [
        (Needs(), "any"),
        (Needs(cuda=True), "cuda"),
        (Needs(cuda=True, memory_gib=20), "cuda24"),
        (Needs(cuda=True, memory_gib=80, sm=90), "cuda80-sm90"),
        (Needs(cuda=True, sm=89), "sm89"),
        (Needs(gpu="H100 SXM"), "gpu-h100-sxm"),
    ],
)
def test_needs_make_one_canonical_lane(needs: Needs, lane: str) -> None:
    assert lane_of(needs) == lane
    assert is_lane(lane)


def test_what_no_gpu_has_makes_no_lane() -> None:
    with pytest.raises(LookupError):
        lane_of(Needs(cuda=True, memory_gib=1000))


def test_a_card_serves_the_class_its_name_says_although_it_shows_less() -> None:
    assert {"cuda80", "cuda80-sm90", "sm89", "cuda", "any", "gpu-h100-sxm"} <= set(lanes_of(H100))
    assert {"cuda24", "sm89"} <= set(lanes_of(RTX_4090))
    assert "cuda96" not in lanes_of(H100) and "sm90" not in lanes_of(RTX_4090)


def test_a_machine_without_a_gpu_serves_only_any() -> None:
    assert lanes_of(NO_GPU) == ("any",)


def test_the_most_demanding_lane_comes_first_and_any_last() -> None:
    lanes = lanes_of(H100)
    assert lanes[0] == "gpu-h100-sxm" and lanes[1] == "cuda80-sm90" and lanes[-1] == "any"


def test_an_operators_list_only_takes_away() -> None:
    assert allowed_lanes(lanes_of(RTX_4090), ["cuda24", "cuda80"]) == ("cuda24",)
    assert allowed_lanes(lanes_of(RTX_4090), []) == lanes_of(RTX_4090)


@given(
    st.sampled_from(MEMORY_GIB), st.sampled_from(SMS), st.floats(0, 288), st.sampled_from((0, *SMS))
)
def test_a_machine_serves_a_lane_exactly_when_it_has_what_the_job_needs(
    memory_gib: int, sm: int, wanted_gib: float, wanted_sm: int
) -> None:
    machine = Machine(gpu="a GPU", memory_gib=memory_gib, sm=sm)
    lane = lane_of(Needs(cuda=True, memory_gib=wanted_gib, sm=wanted_sm))
    if lane in lanes_of(machine):
        assert sm >= wanted_sm
        assert memory_gib >= wanted_gib * 0.92
    else:
        assert sm < wanted_sm or memory_gib < wanted_gib
