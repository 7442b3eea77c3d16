"""Speculative decoding: what is kept, what a step may never beat, what drafts and what it costs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.throughput import TOOL
from compute.throughput.estimate import Question
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult
from compute.throughput.roofline import decode_pass
from compute.throughput.speculation import accepted_tokens
from compute.throughput.steps import decode_step, tokens_per_step
from compute.tool import Refused
from tests.compute.throughput.known import LIBRARY, PlainContext, question, spec

MODELS = ("llama-3.1-8b", "llama-3.1-70b", "deepseek-r1", "gpt-oss-120b", "Qwen/Qwen3.6-35B-A3B")
models = st.sampled_from(MODELS)
gpus = st.sampled_from(("h100", "h200", "b200", "mi300x", "4090", "m3 ultra"))
methods = st.sampled_from(("eagle", "ngram", "0.1B", "Qwen/Qwen3-0.6B"))
counts = st.sampled_from((1, 2, 8))


def drafting(model: str, gpu: str, n_gpus: int, method: str, k: int, rate: float) -> Question:
    return question(
        model=model, gpu=gpu, gpus=n_gpus, draft=method, spec_tokens=k, accept=rate, osl=512
    )


async def ask(**fields: Any) -> ThroughputResult:
    request = ThroughputRequest.model_validate({"model": "llama-3.1-8b", "gpu": "h100", **fields})
    return await TOOL.run(request, PlainContext())


@given(st.integers(1, 16), st.floats(0.0, 1.0))
def test_a_step_keeps_at_least_its_own_token_and_at_most_all_drafted_ones(
    k: int, rate: float
) -> None:
    kept = accepted_tokens(k, rate)
    assert 0.0 <= kept <= k
    assert kept <= accepted_tokens(k + 1, rate)
    assert kept == pytest.approx(k if rate == 1.0 else rate * (1 - rate**k) / (1 - rate))


def _floors(asked: Question, batch: float, context: float, each: float) -> tuple[float, float]:
    """Seconds of one check at nominal bandwidth and at the peak of each operator's format.

    Twice the peak on GeForce, as llama.cpp's fp16 accumulation doubles the listed rate.
    """
    gpu = asked.deployment.device
    moved = compute = 0.0
    for item in asked.deployment.operators:
        tokens = batch * each * item.share
        weights = item.weight_bytes * (item.top_k / item.experts if item.experts else 1.0)
        moved += weights + item.context_bytes * item.attended(context) * max(
            1.0, batch * item.share
        )
        rate = gpu.rates.get(item.compute, gpu.rates["fp16"]) * (2 if gpu.kind == "consumer" else 1)
        compute += tokens * item.token_flops / (rate * 1e12)
    return moved / (gpu.bandwidth_gbs * 1e9), compute


@settings(max_examples=100, deadline=None)
@given(
    models, gpus, counts, methods, st.integers(1, 16), st.integers(1, 4096), st.integers(1, 100_000)
)
def test_a_step_never_beats_the_bandwidth_or_the_peak_of_its_forward_passes(
    model: str, gpu: str, n_gpus: int, method: str, k: int, batch: int, context: int
) -> None:
    if spec(model).active_params < 2e9 and method.startswith("Qwen"):
        return
    asked = drafting(model, gpu, n_gpus, method, k, 0.7)
    step = decode_step(asked.rates, float(batch), float(context)).total_s
    running = max(1.0, batch / asked.deployment.layout.pp)
    memory, compute = _floors(asked, running, context, 1.0 + k)
    assert step >= max(memory, compute)
    # and no token comes cheaper than its share of the passes that made it
    assert tokens_per_step(asked.rates) <= 1.0 + k


@settings(max_examples=60, deadline=None)
@given(models, gpus, counts, st.integers(1, 8), st.integers(1, 1024))
def test_checking_more_tokens_takes_no_less_time_and_no_more_than_so_many_steps(
    model: str, gpu: str, n_gpus: int, k: int, batch: int
) -> None:
    rates = question(model=model, gpu=gpu, gpus=n_gpus).rates
    alone = decode_pass(rates, batch, 2000.0).total_s
    check = decode_pass(rates, batch, 2000.0, each=1.0 + k).total_s
    assert alone <= check <= (1.0 + k) * alone * 1.0001


@settings(max_examples=60, deadline=None)
@given(models, counts, methods, st.integers(1, 8), st.floats(0.0, 1.0), st.integers(1, 256))
def test_keeping_more_of_what_is_drafted_is_never_slower(
    model: str, n_gpus: int, method: str, k: int, rate: float, batch: int
) -> None:
    few = drafting(model, "b200", n_gpus, method, k, rate / 2).served(batch)
    many = drafting(model, "b200", n_gpus, method, k, rate).served(batch)
    assert many.tpot_s <= few.tpot_s * 1.0001
    assert many.output_tps >= few.output_tps * 0.9999


def test_nothing_kept_is_slower_than_not_drafting() -> None:
    plain = question(batch=8).served(8)
    wasted = drafting("llama-3.1-8b", "h100", 1, "eagle", 4, 0.0).served(8)
    assert wasted.tpot_s > plain.tpot_s and wasted.output_tps < plain.output_tps


def test_it_pays_for_one_user_and_not_for_many() -> None:
    """What memory leaves of compute is used for checking; at a large batch there is none left."""
    gain = {}
    for batch in (1, 512):
        plain = question(gpu="h200", batch=batch, input=128, output=128).served(batch)
        asked = question(gpu="h200", batch=batch, input=128, output=128, draft="eagle")
        gain[batch] = asked.served(batch).output_tps / plain.output_tps
    assert gain[1] > 1.5
    assert gain[512] < gain[1] * 0.7


@pytest.mark.parametrize(
    ("model", "gpu", "batch", "gain"),
    [
        ("llama-3.1-8b", "h100", 64, 1.38),  # EAGLE-3 paper (arXiv 2503.01840), abstract
        ("llama-3.1-8b", "h100", 1, 373.25 / 158.34),  # SGLang's documentation
        ("Qwen/Qwen3-8B", "h200", 1, 365 / 187),  # model card of Tengyunw/qwen3_8b_eagle3
    ],
)
def test_the_gain_of_an_eagle_head_is_near_the_published_one(
    model: str, gpu: str, batch: int, gain: float
) -> None:
    load = {"model": model, "gpu": gpu, "batch": batch, "input": 150, "output": 400}
    plain = question(engine="sglang", **load).served(batch)
    drafted = question(engine="sglang", draft="eagle", **load).served(batch)
    assert drafted.output_tps / plain.output_tps == pytest.approx(gain, rel=0.15)


def test_more_drafted_tokens_read_more_distinct_experts() -> None:
    rates = question(model="Qwen/Qwen3-30B-A3B", gpu="h200").rates
    one = decode_pass(rates, 4.0, 100.0)
    four = decode_pass(rates, 4.0, 100.0, each=4.0)
    sixteen = decode_pass(rates, 16.0, 100.0)
    assert one.memory_s * 2 < four.memory_s
    assert four.memory_s <= sixteen.memory_s  # the same experts, but the cache is read once a user


def test_the_draft_takes_room_for_its_weights_and_its_cache() -> None:
    plain = question()
    small = question(draft="meta-llama/Llama-3.2-1B")
    extra = small.deployment.memory.weights - plain.deployment.memory.weights
    assert extra == pytest.approx(2 * spec("meta-llama/Llama-3.2-1B").total_params, rel=0.01)
    assert small.capacity < plain.capacity
    own = plain.deployment.memory.sequence(1000)
    assert small.deployment.memory.sequence(1000) == pytest.approx(own * (1 + 16 * 64 / 32 / 128))


def test_an_mtp_layer_is_one_more_layer_that_shares_the_head() -> None:
    """DeepSeek's own: the released files hold 685 B weights, 14 B more than the model's 671 B.

    11.5 B are the layer; the rest are its copies of the embedding and of the head.
    """
    plain = question(model="deepseek-r1", gpu="b200", gpus=8)
    asked = question(model="deepseek-r1", gpu="b200", gpus=8, draft="mtp")
    extra = (asked.deployment.memory.weights - plain.deployment.memory.weights) * 8
    assert extra == pytest.approx(11.6e9, rel=0.02)
    assert asked.deployment.drafting is not None and asked.deployment.drafting.drafted == 1
    assert tokens_per_step(asked.rates) == pytest.approx(1.85)


def test_an_eagle_head_is_as_large_as_the_published_one() -> None:
    draft = question(draft="eagle").deployment.draft
    assert draft is not None
    assert draft.model.total_params == pytest.approx(0.43e9, rel=0.05)


def test_a_head_may_be_given_by_its_size() -> None:
    plain, asked = question(), question(draft="0.5B")
    extra = asked.deployment.memory.weights - plain.deployment.memory.weights
    assert extra == pytest.approx(2 * 0.5e9, rel=0.001)


def test_a_draft_pays_for_its_layers_and_not_for_a_scheduler_of_its_own() -> None:
    rates = question(draft="eagle").rates
    assert rates.speculation is not None and rates.speculation.draft is not None
    p = LIBRARY.parameters
    assert 0 < rates.speculation.draft.step_s < 0.5 * p["overhead.step_us"] * 1e-6


def test_ngrams_cost_only_the_check() -> None:
    asked = drafting("llama-3.1-8b", "h100", 1, "ngram", 3, 0.3)
    check = decode_pass(asked.rates, 4.0, 1000.0, each=4.0)
    assert decode_step(asked.rates, 4.0, 1000.0) == check
    assert asked.deployment.memory == question().deployment.memory


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"draft": "mtp"}, "draft_model", "no layers for multi-token prediction"),
        ({"draft": "llama-3.1-70b"}, "draft_model", "no smaller"),
        ({"draft": "9B"}, "draft_model", "no smaller"),
        ({"draft": "wibble"}, "draft_model", "don't know that draft"),
        ({"draft": "../../etc"}, "draft_model", "don't know that draft"),
        ({"draft": "no/such-model"}, "draft_model", ""),
        ({"draft": "ngram"}, "acceptance_rate", "text alone"),
        ({"spec_tokens": 2, "acceptance_length": 3.5}, "acceptance_length", "1 to 3"),
        ({"accept": 0.5, "acceptance_length": 2}, "acceptance_length", "not both"),
    ],
)
async def test_what_cannot_draft_is_refused_with_what_can(
    fields: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(Refused) as raised:
        await ask(**fields)
    assert raised.value.refusal.field == field
    assert words in raised.value.message


async def test_zero_drafted_tokens_is_off_whatever_else_is_said() -> None:
    plain, off = await ask(), await ask(spec_tokens=0, draft="wibble", accept=0.5)
    assert off.estimates[0].output_tps == plain.estimates[0].output_tps
    assert not TOOL.waits(
        ThroughputRequest(
            gpu="h100", model="llama-3.1-8b", draft_model="me/tiny", num_speculative_tokens=0
        )
    )


async def test_a_draft_from_the_hub_is_fetched_and_waited_for() -> None:
    config = b'{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,'
    config += b'"intermediate_size": 128, "vocab_size": 1000}'
    ctx = PlainContext({"http://hub.test/me/tiny/resolve/main/config.json": config})
    request = ThroughputRequest(gpu="h100", model="llama-3.1-8b", draft_model="me/tiny")
    assert TOOL.waits(request)
    (found,) = (await TOOL.run(request, ctx)).estimates
    assert found.drafting.startswith("tiny drafts 3 tokens a step")


async def test_the_answer_says_what_it_assumes_and_is_less_sure() -> None:
    plain, answer = await ask(), await ask(draft="eagle")
    (found,), (sure,) = answer.estimates, plain.estimates
    assert found.tokens_per_step == pytest.approx(1 + 0.7 + 0.49 + 0.343)
    said = [item for item in answer.assumptions if item.text.startswith("Speculative decoding: ")]
    assert said and "EAGLE-3" in said[0].text and "nebius" in said[0].source
    assert "speculative" in found.range_why
    width = math.log(found.output_tps.high / found.output_tps.low)
    assert width > math.log(sure.output_tps.high / sure.output_tps.low)
    assert any("no speculative decoding" in item.text for item in plain.assumptions)
    assert not any("no speculative decoding" in item.text for item in answer.assumptions)


async def test_a_draft_with_another_vocabulary_is_pointed_out() -> None:
    other = (await ask(draft="Qwen/Qwen3-0.6B")).estimates[0]
    assert any("same tokenizer" in note for note in other.notes)
    for draft in ("meta-llama/Llama-3.2-1B", "eagle", "0.5B"):
        assert not any("tokenizer" in note for note in (await ask(draft=draft)).estimates[0].notes)


async def test_a_measured_length_is_taken_as_it_is() -> None:
    answer = await ask(draft="eagle", spec_tokens=4, acceptance_length=2.9)
    assert answer.estimates[0].tokens_per_step == pytest.approx(2.9)
    rated = await ask(draft="eagle", spec_tokens=4)
    given, assumed = answer.estimates[0].output_tps, rated.estimates[0].output_tps
    assert given.high / given.low < assumed.high / assumed.low
