"""A cached prefix: prompts get shorter to compute, never shorter to read or to keep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.throughput.steps import prompt_pass
from tests.compute.throughput.known import question

models = st.sampled_from(("llama-3.1-8b", "deepseek-r1", "gpt-oss-120b", "google/gemma-2-9b"))
gpus = st.sampled_from(("h100", "b200", "mi300x", "4090"))
shares = st.floats(0.0, 1.0)


@settings(max_examples=80, deadline=None)
@given(models, gpus, st.integers(2, 100_000), shares, shares)
def test_more_of_a_prompt_in_the_cache_never_takes_longer(
    model: str, gpu: str, isl: int, one: float, other: float
) -> None:
    rates = question(model=model, gpu=gpu, gpus=8).rates
    less, more = sorted((int(isl * one), int(isl * other)))
    assert prompt_pass(rates, isl, more).total_s <= prompt_pass(rates, isl, less).total_s * 1.0001


@settings(max_examples=60, deadline=None)
@given(models, st.integers(2, 30_000), st.integers(1, 2000), st.integers(1, 64), shares, shares)
def test_a_higher_hit_rate_never_lowers_speed_nor_raises_latency(
    model: str, isl: int, osl: int, batch: int, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    asked = [
        question(model=model, gpu="b200", gpus=8, input=isl, output=osl, cached=share)
        for share in (low, high)
    ]
    few, many = (each.served(batch) for each in asked)
    assert many.output_tps >= few.output_tps * 0.999
    assert many.ttft_s <= few.ttft_s * 1.001
    assert many.request_s <= few.request_s * 1.001


@settings(max_examples=40, deadline=None)
@given(models, st.integers(2, 50_000), shares)
def test_the_first_token_still_takes_the_rest_of_the_prompt_against_all_of_it(
    model: str, isl: int, share: float
) -> None:
    """The FLOPs of the tokens left over, attention to the cached ones included, bound the time."""
    asked = question(model=model, gpu="h100", gpus=8, input=isl, cached=share)
    fresh = isl - asked.load.cached
    assert fresh >= 1
    device, flops = asked.deployment.device, 0.0
    for item in asked.deployment.operators:
        if item.kind != "head":
            flops += fresh * item.token_flops * item.share
    best = max(device.rates.values()) * 1e12
    assert prompt_pass(asked.rates, isl, asked.load.cached).total_s >= flops / best


def test_a_prefix_saves_no_room_and_no_reading() -> None:
    plain, cached = question(input=8000), question(input=8000, cached=0.9)
    assert cached.capacity == plain.capacity
    assert cached.served(8).step == plain.served(8).step


def test_of_a_prompt_that_is_all_cached_one_token_is_computed() -> None:
    asked = question(input=100, cached=1.0)
    assert asked.load.cached == 99
    assert asked.served(1).prompt.total_s > 0


@pytest.mark.parametrize("batch", [1, 16, 200])
def test_prompt_and_decoding_add_up_to_the_request(batch: int) -> None:
    """TTFT and the later tokens are the whole request, with drafts and a prefix too."""
    for fields in ({}, {"cached": 0.5}, {"draft": "eagle"}, {"draft": "ngram", "accept": 0.4}):
        found = question(input=900, output=300, **fields).served(batch)
        assert found.request_s == pytest.approx(found.ttft_s + 299 * found.tpot_s)
        assert found.output_tps == pytest.approx(batch * 300 / found.request_s)
        assert found.total_tps == pytest.approx(found.output_tps * 4)
