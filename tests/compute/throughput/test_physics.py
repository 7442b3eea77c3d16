"""What no estimate may break: bytes over bandwidth, FLOPs over peak, monotony, finite numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.throughput.deployment import Deployment, deploy, rates_of
from compute.throughput.dtypes import compute_dtype, named_weights
from compute.throughput.engines import ENGINES
from compute.throughput.hardware import Device
from compute.throughput.operators import Operator
from compute.throughput.parallel import choose_layout
from compute.throughput.roofline import decode_pass, prefill_pass
from compute.throughput.serving import Load, Served, serve
from tests.compute.throughput.known import LIBRARY, device, spec

GPUS = ("h100", "a100", "b200", "mi300x", "4090", "l40s", "m2 ultra", "t4", "mi355x")
MODELS = (
    "llama-3.1-8b",
    "llama-3.1-70b",
    "deepseek-r1",
    "deepseek-ai/DeepSeek-V3.2",
    "gpt-oss-120b",
    "Qwen/Qwen3.6-35B-A3B",
    "google/gemma-2-9b",
    "LiquidAI/LFM2.5-1.2B-Instruct",
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16",
)
DTYPES = ("bf16", "fp8", "int8", "int4", "nvfp4", "mxfp4", "q4_k_m", "exl2-4.0")

gpus = st.sampled_from(GPUS)
models = st.sampled_from(MODELS)
dtypes = st.sampled_from(DTYPES)
engines = st.sampled_from(sorted(ENGINES))
counts = st.sampled_from((1, 2, 4, 8))


def deployment(model: str, gpu: Device, n_gpus: int, engine: str, dtype: str) -> Deployment:
    described = spec(model)
    layout = choose_layout({}, n_gpus, described, gpu, engine)
    weights = named_weights(dtype)
    return deploy(described, gpu, layout, ENGINES[engine], weights, "auto")


def served(built: Deployment, isl: int, osl: int, concurrency: int | None) -> Served:
    p = LIBRARY.parameters
    return serve(built, rates_of(built, p), Load(isl, osl, concurrency), p)


def _floor_s(built: Deployment, item: Operator, batch: float, context: float) -> float:
    """The time an operator can't beat: bytes at nominal bandwidth, FLOPs at twice the peak.

    Twice, because llama.cpp's fp16 accumulation doubles the listed rate of GeForce cards.
    """
    gpu = built.device
    attended = item.attended(context)
    moved = item.context_bytes * attended * max(1.0, batch * item.share)
    if item.experts:
        moved += item.weight_bytes * item.top_k / item.experts
    else:
        moved += item.weight_bytes
    flops = batch * item.share * item.token_flops
    rate = gpu.rates.get(item.compute, gpu.rates["fp16"]) * (2 if gpu.kind == "consumer" else 1)
    return max(moved / (gpu.bandwidth_gbs * 1e9), flops / (rate * 1e12))


@settings(max_examples=150, deadline=None)
@given(models, gpus, counts, engines, dtypes, st.integers(1, 100_000), st.integers(1, 1_000_000))
def test_a_step_never_beats_bandwidth_or_the_peak_of_its_format(
    model: str, gpu: str, n_gpus: int, engine: str, dtype: str, batch: int, context: int
) -> None:
    built = deployment(model, device(gpu), n_gpus, engine, dtype)
    step = decode_pass(rates_of(built, LIBRARY.parameters), float(batch), float(context))
    tokens = max(1.0, batch / built.layout.pp)
    floor = sum(_floor_s(built, item, tokens, context) for item in built.operators)
    assert step.total_s >= floor


@settings(max_examples=100, deadline=None)
@given(models, gpus, counts, engines, dtypes, st.integers(1, 1_000_000))
def test_a_prompt_never_beats_the_peak_of_its_format(
    model: str, gpu: str, n_gpus: int, engine: str, dtype: str, isl: int
) -> None:
    built = deployment(model, device(gpu), n_gpus, engine, dtype)
    seconds = prefill_pass(rates_of(built, LIBRARY.parameters), isl).total_s
    described = built.model
    flops = 2.0 * isl * (described.active_params - described.embedding_params)
    best = max(
        built.device.rates["fp16"],
        built.device.rates.get(compute_dtype(built.weights, built.device, engine), 0.0),
    )
    most = best * 1e12 * built.memory.gpus * (2 if built.device.kind == "consumer" else 1)
    assert seconds >= flops / most


@settings(max_examples=100, deadline=None)
@given(models, gpus, counts, dtypes, st.integers(1, 20_000), st.integers(1, 5_000), st.data())
def test_more_requests_give_more_tokens_in_all_and_no_more_to_each(
    model: str, gpu: str, n_gpus: int, dtype: str, isl: int, osl: int, data: st.DataObject
) -> None:
    built = deployment(model, device(gpu), n_gpus, "vllm", dtype)
    room = max(1, built.memory.in_flight(isl, osl))
    fewer = data.draw(st.integers(1, room))
    more = data.draw(st.integers(fewer, room))
    few, many = served(built, isl, osl, fewer), served(built, isl, osl, more)
    assert many.output_tps >= few.output_tps * 0.999
    assert many.tpot_s >= few.tpot_s * 0.999


@settings(max_examples=60, deadline=None)
@given(models, gpus, dtypes, st.floats(1.0, 8.0), st.integers(1, 500))
def test_a_better_gpu_is_never_slower(
    model: str, gpu: str, dtype: str, factor: float, batch: int
) -> None:
    here = device(gpu)
    wider = replace(here, bandwidth_gbs=here.bandwidth_gbs * factor)
    stronger = replace(here, rates={name: rate * factor for name, rate in here.rates.items()})
    base = deployment(model, here, 1, "vllm", dtype)
    for better in (wider, stronger):
        if better.memory_kind == here.memory_kind:
            other = deployment(model, better, 1, "vllm", dtype)
            p = LIBRARY.parameters
            faster = decode_pass(rates_of(other, p), batch, 1000.0).total_s
            assert faster <= decode_pass(rates_of(base, p), batch, 1000.0).total_s * 1.0001


@pytest.mark.parametrize("model", ["llama-3.1-70b", "deepseek-r1"])
def test_more_nvlinked_gpus_shorten_a_step_of_a_large_batch(model: str) -> None:
    p = LIBRARY.parameters
    built = [deployment(model, device("h200"), n, "vllm", "fp8") for n in (1, 2, 4, 8)]
    seconds = [decode_pass(rates_of(one, p), 64.0, 2000.0).total_s for one in built]
    assert seconds == sorted(seconds, reverse=True)


@settings(max_examples=150, deadline=None)
@given(
    models,
    gpus,
    engines,
    dtypes,
    st.sampled_from((1, 3, 7, 64, 4096)),
    st.sampled_from((1, 2, 1000, 10_000_000)),
    st.sampled_from((0, 1, 2, 1000, 10_000_000)),
    st.sampled_from((1, 7, 1_000_000, None)),
)
def test_extremes_give_finite_positive_figures(
    model: str,
    gpu: str,
    engine: str,
    dtype: str,
    n_gpus: int,
    isl: int,
    osl: int,
    concurrency: int | None,
) -> None:
    found = served(deployment(model, device(gpu), n_gpus, engine, dtype), isl, osl, concurrency)
    figures = (found.ttft_s, found.tpot_s, found.request_s, found.total_tps, found.prefill_tps)
    assert all(math.isfinite(value) and value > 0 for value in figures)
    assert math.isfinite(found.output_tps)
    assert (found.output_tps > 0) == (osl > 0)


def test_a_request_takes_its_first_token_and_then_the_others() -> None:
    built = deployment("llama-3.1-8b", device("h100"), 1, "vllm", "bf16")
    found = served(built, 1000, 500, 16)
    assert found.request_s == pytest.approx(found.ttft_s + 499 * found.tpot_s)
    assert found.output_tps == pytest.approx(16 * 500 / found.request_s, rel=0.01)
    assert found.total_tps == pytest.approx(found.output_tps * 3)


def test_the_median_request_waits_for_no_other_prompt_until_prompts_fill_half_of_the_time() -> None:
    built = deployment("llama-3.1-70b", device("h100"), 4, "vllm", "fp8")
    one, light, crowded = (served(built, 1000, 1000, count) for count in (1, 16, 128))
    assert one.ttft_median_s == one.ttft_s
    for found in (light, crowded):
        added = 2.0 * found.step.total_s
        assert one.ttft_median_s < found.ttft_median_s < one.ttft_median_s + added
        assert found.ttft_median_s < found.ttft_s
    full = served(built, 4000, 20, 128)
    assert 2 * served(built, 4000, 20, 1).ttft_s < full.ttft_median_s < full.ttft_s


def test_requests_beyond_memory_wait_and_only_their_first_token_is_late() -> None:
    built = deployment("llama-3.1-8b", device("4090"), 1, "vllm", "bf16")
    room = built.memory.in_flight(2000, 500)
    full, over = served(built, 2000, 500, room), served(built, 2000, 500, 10 * room)
    assert over.tpot_s == pytest.approx(full.tpot_s)
    assert over.output_tps == pytest.approx(full.output_tps)
    assert over.ttft_s > 5 * full.ttft_s


def test_llama_cpp_on_several_gpus_generates_no_faster_than_on_one() -> None:
    one = deployment("llama-3.1-8b", device("3090"), 1, "llama.cpp", "q4_k_m")
    four = deployment("llama-3.1-8b", device("3090"), 4, "llama.cpp", "q4_k_m")
    assert served(four, 512, 128, 1).tpot_s >= served(one, 512, 128, 1).tpot_s
    assert served(four, 4096, 0, 1).prefill_tps > 2 * served(one, 4096, 0, 1).prefill_tps


def test_kv_heads_are_copied_where_there_are_fewer_than_gpus() -> None:
    two = deployment("Qwen/Qwen3.6-35B-A3B", device("h100"), 2, "vllm", "fp8")
    eight = deployment("Qwen/Qwen3.6-35B-A3B", device("h100"), 8, "vllm", "fp8")
    assert two.memory.kinds[0][0] == eight.memory.kinds[0][0]
    latent = [deployment("deepseek-r1", device("h200"), n, "sglang", "fp8") for n in (4, 8)]
    assert latent[0].memory.kinds == latent[1].memory.kinds
