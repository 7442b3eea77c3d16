"""The whole tool: answers, refusals, fixes that fit, targets, and any input at its extremes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.inputs import check_inputs
from compute.throughput import TOOL
from compute.throughput.fit import fits
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult
from compute.throughput.targets import parse_targets
from compute.tool import Refused, load_tool
from tests.compute.throughput.known import PlainContext, question

LLAMA_CONFIG: dict[str, Any] = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
    "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip


async def ask(ctx: PlainContext | None = None, **fields: Any) -> ThroughputResult:
    """The tool's answer to a request with these fields."""
    request = ThroughputRequest.model_validate({"model": "llama-3.1-8b", "gpu": "h100", **fields})
    answer = await TOOL.run(request, ctx or PlainContext())
    assert isinstance(answer, ThroughputResult)
    json.loads(answer.model_dump_json())
    return answer


def test_the_tool_is_found_by_name() -> None:
    assert load_tool("throughput") is TOOL


async def test_one_answer_holds_together() -> None:
    answer = await ask(gpu="h100", model="Llama-3.1-70B", gpus=2, dtype="fp8", batch=32)
    (found,) = answer.estimates
    assert (found.gpu, found.tp, found.weight_dtype, found.fits) == ("H100-SXM", 2, "fp8", True)
    assert found.output_tps.low < found.output_tps.value < found.output_tps.high
    assert found.output_tps_per_gpu == pytest.approx(found.output_tps.value / 2)
    assert found.decode_tps_user.value == pytest.approx(1000 / found.tpot_ms.value)
    assert found.tpot_ms.low < found.tpot_ms.value < found.tpot_ms.high
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.memory.weights_gib == pytest.approx(2 * found.memory.weights_gib_per_gpu)
    assert answer.params_b == pytest.approx(70.55, rel=0.01)
    assert 32 in {point.concurrency for point in found.curve}
    assert 6 <= len(found.curve) <= 12
    assert found.measured is not None
    assert found.measured.model.startswith("meta-llama/Llama-3.1-70B")
    assert all(assumption.text for assumption in answer.assumptions)


async def test_the_curve_trades_user_speed_for_gpu_output() -> None:
    (found,) = (await ask()).estimates
    users = [point.tps_user for point in found.curve]
    gpus = [point.tps_gpu for point in found.curve]
    assert users == sorted(users, reverse=True)
    assert gpus == sorted(gpus)


async def test_compared_gpus_come_in_the_order_asked() -> None:
    answer = await ask(gpu="4090, h200, mi300x")
    assert [item.gpu for item in answer.estimates] == ["RTX-4090", "H200-SXM", "MI300X"]


async def test_what_does_not_fit_is_an_answer_with_numbers_and_fixes() -> None:
    answer = await ask(gpu="h100", model="Llama-3.1-70B", dtype="bf16")
    (found,) = answer.estimates
    assert not found.fits
    assert "131.4 GiB for weights alone" in found.fit_sentence
    assert "one H100 SXM has 79.6 GiB usable" in found.fit_sentence
    assert [fix.label for fix in answer.fixes][:2] == ["Use 2 GPUs", "Use fp8"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "Llama-3.1-70B"},
        {"model": "deepseek-r1", "gpus": 4},
        {"model": "Llama-3.1-405B", "gpu": "4090"},
        {"model": "Llama-3.1-70B", "gpu": "4090", "dtype": "q4_k_m"},
        {"model": "Llama-3.1-8B", "gpu": "3070", "dtype": "bf16"},
        {"model": "Llama-3.1-8B", "gpu": "m1", "dtype": "q8_0", "input": 131072},
        {"model": "Llama-3.1-8B", "input": 10_000_000},
        {"model": "Kimi-K2-Instruct", "gpu": "l4"},
        {"model": "Llama-3.1-70B", "parallel": "tp1", "gpus": 2},
        {"model": "DeepSeek-V3", "gpu": "8GiB 200GB/s 20TFLOPS", "input": 200_000},
    ],
)
async def test_every_fix_offered_really_fits(fields: dict[str, Any]) -> None:
    answer = await ask(**fields)
    assert not answer.estimates[0].fits
    assert 1 <= len(answer.fixes) <= 3
    for fix in answer.fixes:
        request = ThroughputRequest.model_validate({"gpu": "h100", **fields})
        changed = request.model_copy(update=dict(fix.changes))
        (found,) = (await TOOL.run(changed, PlainContext())).estimates
        assert found.fits, fix


async def test_gpus_at_hand_that_fit_together_are_offered_before_more_of_them() -> None:
    answer = await ask(model="DeepSeek-V3", gpus=16, parallel="tp8xep8")
    assert not answer.estimates[0].fits
    assert answer.fixes[0].changes == {"n_gpus": 16, "parallel": ""}


async def test_the_room_can_be_checked_by_hand() -> None:
    answer = await ask()
    (found,) = answer.estimates
    memory = found.memory
    pool = 0.9 * memory.usable_gib_per_gpu - memory.weights_gib - memory.overhead_gib
    said = [item.text for item in answer.assumptions if item.text.startswith("Room for ")]
    assert said and said[0].startswith(f"Room for {found.max_concurrency:,}: ")
    assert f"at full length, {int(pool / memory.kv_gib_per_seq):,} fit" in said[0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"batch": 64},
        {"batch": 300},
        {"gpu": "m3-ultra", "model": "openai/gpt-oss-120b"},
        {"gpu": "h100", "model": "Qwen3-32B", "batch": 16},
    ],
)
async def test_the_reason_says_truly_what_a_larger_batch_costs(fields: dict[str, Any]) -> None:
    (found,) = (await ask(**fields)).estimates
    said = re.search(r"twice the batch makes a step (\d+)% longer", found.why)
    assert said is not None, found.why
    (more,) = (await ask(**{**fields, "batch": 2 * found.concurrency, "input": 1})).estimates
    (same,) = (await ask(**{**fields, "input": 1})).estimates
    weights_alone = more.tpot_ms.value / same.tpot_ms.value - 1
    assert int(said[1]) / 100 >= weights_alone * 0.8  # the cache of longer prompts comes on top


async def test_a_prompt_alone_is_not_explained_by_decoding() -> None:
    for fields in ({"input": 8}, {"input": 1024}, {"input": 8, "gpu": "m3-ultra"}):
        (found,) = (await ask(**fields, output=0)).estimates
        assert "step" not in found.why and "Decode" not in found.why


async def test_more_than_memory_holds_says_how_many_wait() -> None:
    (found,) = (await ask(gpu="4090", batch=500)).estimates
    assert any("wait in line" in note for note in found.notes)
    assert found.max_concurrency < 500


async def test_max_load_uses_copies_where_they_give_more() -> None:
    (found,) = (await ask(gpus=8, batch="max", input=128, output=128)).estimates
    assert (found.replicas * found.tp, found.n_gpus) == (8, 8)
    assert found.replicas > 1
    assert found.concurrency > 1000


async def test_targets_and_rate_are_planned_for() -> None:
    answer = await ask(slo="ttft=500ms tpot=30ms", rate=50)
    plan = answer.plan
    assert plan is not None
    assert plan.met
    (held,) = (await ask(batch=plan.max_concurrency)).estimates
    assert held.ttft_ms.value <= 500
    assert held.tpot_ms.value <= 30
    (over,) = (await ask(batch=plan.max_concurrency + 1)).estimates
    assert over.ttft_ms.value > 500 or over.tpot_ms.value > 30
    assert plan.replicas is not None
    assert (plan.replicas - 1) * plan.replica_rps < 50 <= plan.replicas * plan.replica_rps


async def test_targets_nothing_can_hold_say_so() -> None:
    plan = (await ask(slo="tpot=0.1ms")).plan
    assert plan is not None
    assert (plan.met, plan.max_concurrency, plan.replicas) == (False, 0, None)
    assert "can't be held" in plan.sentence


def test_targets_are_read_in_ms_s_and_tokens() -> None:
    assert parse_targets("ttft<=0.5s, tpot:30").ttft_ms == 500.0
    assert parse_targets("tps=20").tpot_ms == 50.0
    for text in ("fast", "ttft=-1ms", "ttft=0", "ttft=5ms; drop", "tpot=5h"):
        with pytest.raises(Refused) as raised:
            parse_targets(text)
        assert raised.value.refusal.field == "slo"


async def test_a_config_in_the_request_needs_no_hub() -> None:
    config = {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    }
    ctx = PlainContext()
    answer = await ask(ctx, model="mine", config=config)
    assert answer.params_b == pytest.approx(1.24, rel=0.02)
    assert ctx.asked == []


async def test_any_hub_model_works_and_only_then_the_tool_waits() -> None:
    config = b'{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,'
    config += b'"intermediate_size": 128, "vocab_size": 1000}'
    ctx = PlainContext({"http://hub.test/me/tiny/resolve/main/config.json": config})
    answer = await ask(ctx, model="me/tiny")
    assert answer.model == "me/tiny"
    for model, waits in (("me/tiny", True), ("llama-3.1-8b", False), ("nonsense", False)):
        assert TOOL.waits(ThroughputRequest(gpu="h100", model=model)) is waits


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"gpu": "h1000"}, "gpu"),
        ({"model": "no-such-model"}, "model"),
        ({"model": "no/such-model"}, "model"),
        ({"model": "../../etc/passwd"}, "model"),
        ({"dtype": "fp3"}, "weight_dtype"),
        ({"kv_dtype": "fp3"}, "kv_dtype"),
        ({"parallel": "tp3", "gpus": 2}, "parallel"),
        ({"slo": "quick"}, "slo"),
    ],
)
async def test_refusals_name_the_field_and_something_near(
    fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refused) as raised:
        await ask(**fields)
    refusal = raised.value.refusal
    assert refusal.field == field
    assert refusal.example
    assert refusal.nearest or field == "model"  # nothing is near a path
    assert str(refusal.given) not in refusal.message or field == "parallel"


EXTREMES: dict[str, Any] = {
    "batch": st.sampled_from([1, 2, 999, 1_000_000, "max"]),
    "gpus": st.sampled_from([1, 3, 8, 4096]),
    "input": st.sampled_from([1, 1000, 10_000_000]),
    "output": st.sampled_from([0, 1, 1000, 10_000_000]),
    "gpu": st.sampled_from(["h100", "m1", "gtx 1080", "b300,l4", "1GiB 1GB/s 1TFLOPS"]),
    "model": st.sampled_from(["llama-3.1-8b", "deepseek-r1", "gpt-oss-20b", "gemma-2-2b"]),
    "dtype": st.sampled_from(["auto", "fp8", "q4_k_m"]),
    "rate": st.sampled_from([None, 1e-300, 1e6]),
    "slo": st.sampled_from(["", "ttft=1ms", "tpot=99999s"]),
}


@settings(max_examples=80, deadline=None)
@given(st.fixed_dictionaries(EXTREMES))
async def test_every_extreme_is_answered_in_plain_json(fields: dict[str, Any]) -> None:
    answer = await ask(**fields)
    assert "Infinity" not in answer.model_dump_json()
    assert "NaN" not in answer.model_dump_json()
    for found in answer.estimates:
        assert found.output_tps.value >= 0
        assert found.fit_sentence


def test_fits_agrees_with_the_answer() -> None:
    asked = question(model="Llama-3.1-70B", gpus=2)
    assert fits(asked.deployment, asked.load)


async def test_a_config_is_cut_down_to_what_is_read_before_it_is_kept() -> None:
    config = LLAMA_CONFIG | {
        "quantization_config": {"ignore": [f"model.layers.{n}" for n in range(5000)]},
        "notes": "x" * 10_000,
        "nested": {"a": {"b": {"c": {"d": {"e": 1}}}}},
    }
    request = check_inputs(TOOL, {"gpu": "h100", "model": "mine", "config": config})
    assert isinstance(request, ThroughputRequest) and request.config is not None
    assert len(json.dumps(request.config)) < 64 * 1024
    plain = await ask(config=LLAMA_CONFIG, model="mine")
    cut = await ask(config=config, model="mine")
    assert cut.estimates[0].output_tps == plain.estimates[0].output_tps


def test_a_config_that_stays_too_large_is_refused_in_a_sentence() -> None:
    config: dict[str, Any] = {f"key{n}": "x" * 100 for n in range(2000)}
    with pytest.raises(Refused, match="config must be at most 64 KiB"):
        check_inputs(TOOL, {"gpu": "h100", "model": "mine", "config": config})


@pytest.mark.parametrize(
    ("field", "value"), [("engine", "vLLM"), ("batch", "MAX"), ("batch", " 8 ")]
)
def test_capitals_mean_the_same(field: str, value: str) -> None:
    checked = check_inputs(TOOL, {"gpu": "h100", "model": "x", field: value})
    assert checked == check_inputs(
        TOOL, {"gpu": "h100", "model": "x", field: value.strip().lower()}
    )


def test_true_is_no_batch() -> None:
    with pytest.raises(Refused, match="batch must be a whole number or max"):
        check_inputs(TOOL, {"gpu": "h100", "model": "x", "batch": True})


async def test_where_nothing_compared_fits_the_first_gpus_repairs_are_offered() -> None:
    none = await ask(gpu="rtx 4090,rtx 3090", model="meta-llama/Llama-3.1-70B")
    assert none.fixes and all(fix.detail.endswith(("user", "users")) for fix in none.fixes)
