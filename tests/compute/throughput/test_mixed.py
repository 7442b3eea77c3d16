"""Prompt tokens that ride in decode steps; experts' tiles; unpacking; windows kept or freed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.throughput.deployment import Deployment, deploy, rates_of
from compute.throughput.dtypes import named_weights
from compute.throughput.engines import ENGINES
from compute.throughput.mixed import Passengers, added_seconds
from compute.throughput.parallel import Layout
from compute.throughput.rates import Rates
from compute.throughput.roofline import decode_pass, expert_flops, prefill_pass
from compute.throughput.serving import Load, serve
from tests.compute.throughput.known import LIBRARY, device, spec

MODELS = ("llama-3.1-8b", "deepseek-r1", "gpt-oss-120b", "Qwen/Qwen3.6-35B-A3B", "gemma-2-9b")


def _built(model: str, gpu: str, engine: str, dtype: str, tp: int = 1) -> Deployment:
    layout = Layout(tp, 1, 1, 1, 1)
    return deploy(spec(model), device(gpu), layout, ENGINES[engine], named_weights(dtype), "auto")


def _rates(model: str, gpu: str = "h200", engine: str = "vllm", dtype: str = "fp8") -> Rates:
    return rates_of(_built(model, gpu, engine, dtype), LIBRARY.parameters)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(MODELS),
    st.integers(1, 2000),
    st.integers(1, 8192),
    st.integers(1, 100_000),
)
def test_a_step_with_prompt_tokens_takes_at_least_their_flops_at_peak(
    model: str, batch: int, tokens: int, fresh: int
) -> None:
    rates = _rates(model)
    riding = Passengers(float(tokens), float(max(tokens, fresh)), 0.0)
    added = added_seconds(rates, batch, 1000.0, 1.0, riding)
    whole = added + decode_pass(rates, batch, 1000.0).total_s
    peak = max(device("h200").rates.values()) * 1e12
    flops = sum(line.operator.token_flops for line in rates.lines if line.operator.kind != "head")
    assert added >= 0.0
    assert whole >= flops * (tokens + batch) / peak


@pytest.mark.parametrize("model", MODELS)
def test_more_prompt_tokens_never_cost_less(model: str) -> None:
    rates = _rates(model)
    costs = [
        added_seconds(rates, 32.0, 1000.0, 1.0, Passengers(tokens, 4096.0, 0.0))
        for tokens in (1.0, 64.0, 512.0, 4096.0)
    ]
    assert costs == sorted(costs)


def test_riding_along_is_cheaper_than_a_pass_of_its_own() -> None:
    rates = _rates("llama-3.1-70b")
    alone = prefill_pass(rates, 512.0).total_s
    assert added_seconds(rates, 32.0, 1000.0, 1.0, Passengers(512.0, 512.0, 0.0)) < alone


def test_engines_that_do_not_mix_pay_a_pass_for_each_prompt() -> None:
    load = Load(128, 512, 8)
    p = LIBRARY.parameters.replaced({"serving.mixing": 1.0, "serving.prefill_overlap": 1.0})
    mixing, apart = (_built("llama-3.1-70b", "h200", name, "fp8") for name in ("vllm", "sglang"))
    served = [serve(one, rates_of(one, p), load, p) for one in (mixing, apart)]
    waits = [one.tpot_s / one.step.total_s for one in served]
    assert waits[0] < waits[1]


@pytest.mark.parametrize("tokens", [1.0, 30.0, 1000.0, 1e6])
def test_tiles_at_most_double_what_experts_multiply(tokens: float) -> None:
    rates = _rates("deepseek-r1")
    item = next(line.operator for line in rates.lines if line.operator.experts)
    ratio = expert_flops(item, rates, tokens, 1.0) / (tokens * item.token_flops)
    assert 1.0 < ratio <= 2.0
    assert ratio < 1.01 or tokens < 1e6


def test_unpacking_slows_down_gpus_with_little_arithmetic() -> None:
    def share(gpu: str) -> float:
        quantised, plain = (
            rates_of(_built("llama-3.1-8b", gpu, "llama.cpp", dtype), LIBRARY.parameters)
            for dtype in ("q4_k_m", "fp16")
        )
        return quantised.lines[0].s_per_byte / plain.lines[0].s_per_byte

    assert share("m1 max") > 1.1 * share("3090")


def test_only_some_engines_free_what_left_the_window() -> None:
    length = 100_000
    kept, freed = (
        _built("gemma-3-27b", "h200", name, "bf16").memory.sequence(length)
        for name in ("tensorrt-llm", "vllm")
    )
    assert kept > 2 * freed
