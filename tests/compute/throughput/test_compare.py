"""Several GPUs and formats: every pair once, what cannot be with its reason, repairs that work."""

from __future__ import annotations

from typing import Any

import pytest

from compute.throughput import TOOL
from compute.throughput.jsonl import predict_line
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult
from compute.tool import Refused
from tests.compute.throughput.known import LIBRARY, PlainContext


def request_of(fields: dict[str, Any]) -> ThroughputRequest:
    return ThroughputRequest.model_validate({"model": "llama-3.1-8b", "gpu": "h100", **fields})


async def ask(**fields: Any) -> ThroughputResult:
    return await TOOL.run(request_of(fields), PlainContext())


async def test_formats_are_compared_as_gpus_are() -> None:
    answer = await ask(gpu="h100,h200", dtype="bf16, FP8")
    pairs = [(found.gpu, found.weight_dtype) for found in answer.estimates]
    assert pairs == [
        ("H100-SXM", "bf16"), ("H100-SXM", "fp8"), ("H200-SXM", "bf16"), ("H200-SXM", "fp8"),
    ]  # fmt: skip
    alone = await ask(gpu="h200", dtype="fp8")
    assert answer.estimates[3] == alone.estimates[0]


async def test_names_of_one_format_are_one_choice() -> None:
    answer = await ask(dtype="auto,bf16,bfloat16,fp8")
    assert [found.weight_dtype for found in answer.estimates] == ["bf16", "fp8"]


async def test_more_than_six_at_once_are_refused_with_what_fits() -> None:
    with pytest.raises(Refused, match="at most 6 at once; 3 GPUs with 3 formats are 9") as raised:
        await ask(gpu="h100,h200,b200", dtype="bf16,fp8,int4")
    assert raised.value.refusal.field == "weight_dtype"
    example = raised.value.refusal.example
    assert len((await ask(gpu="h100,h200,b200", dtype=example)).estimates) == 6


async def test_a_pair_that_cannot_be_is_left_out_with_its_reason() -> None:
    answer = await ask(gpu="h100,mi300x", dtype="fp8,exl2-4.0", engine="tensorrt-llm")
    assert [(e.gpu, e.weight_dtype) for e in answer.estimates] == [("H100-SXM", "fp8")]
    reasons = {(out.gpu_name, out.weight_dtype): out.reason for out in answer.left_out}
    assert "does not read" in reasons["H100 SXM", "exl2-4.0"]
    assert "runs on GPUs of NVIDIA" in reasons["MI300X", "fp8"]


@pytest.mark.parametrize(
    "fields",
    [
        {"parallel": "tp4", "gpus": 2},
        {"parallel": "tp3", "gpus": 2},
        {"parallel": "tp8xpp2", "gpus": 8, "model": "llama-3.1-70b", "dtype": "fp8"},
        {"parallel": "tp8xdp8", "gpus": 3, "model": "Qwen/Qwen3-30B-A3B"},
    ],
)
async def test_a_split_over_too_few_gpus_comes_with_changes_that_work(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(Refused, match="GPUs and there are") as raised:
        await ask(**fields)
    assert raised.value.refusal.fixes
    for fix in raised.value.refusal.fixes:
        changed = request_of(fields).model_copy(update=dict(fix.changes))
        assert (await TOOL.run(changed, PlainContext())).estimates, fix


async def test_where_nothing_compared_can_be_it_is_a_refusal() -> None:
    with pytest.raises(Refused, match="runs on GPUs of NVIDIA"):
        await ask(gpu="mi300x,m3 ultra", engine="tensorrt-llm")
    with pytest.raises(Refused, match="don't know that weight format"):
        await ask(dtype="fp3,fp5")


@pytest.mark.parametrize(
    "fields",
    [
        {"gpu": "rtx 4090,h200", "model": "llama-3.1-70b", "dtype": "fp8"},
        {"gpu": "h200,rtx 3090,l4", "model": "llama-3.1-70b", "dtype": "int4"},
        {"gpu": "h100", "model": "llama-3.1-70b", "dtype": "bf16,fp8"},
        {"gpu": "h100,b200", "model": "deepseek-r1", "dtype": "fp8,nvfp4", "gpus": 8},
        {"gpu": "m3 ultra,m1", "model": "llama-3.1-70b", "dtype": "q4_k_m"},
    ],
)
async def test_where_some_fit_the_others_get_repairs_that_work(fields: dict[str, Any]) -> None:
    answer = await ask(**fields)
    misfits = {(e.gpu, e.weight_dtype) for e in answer.estimates if not e.fits}
    assert misfits and any(e.fits for e in answer.estimates)
    assert 1 <= len(answer.fixes) <= 3
    assert len({fix.label for fix in answer.fixes}) == len(answer.fixes)
    for fix in answer.fixes:
        changed = request_of(fields).model_copy(update=dict(fix.changes))
        repaired = await TOOL.run(changed, PlainContext())
        if "gpu" in fix.changes:  # one misfit on its own
            assert len(repaired.estimates) == 1
        else:
            assert len(repaired.estimates) >= 1
        assert all(found.fits for found in repaired.estimates), fix


async def test_what_bounds_a_step_changes_where_it_is_said_to_for_each_choice() -> None:
    answer = await ask(gpu="h100,l40s,b200", dtype="bf16,int4", batch=8, input=64, output=64)
    said = [found for found in answer.estimates if found.bound_changes_at]
    assert said
    for found in said:
        assert found.bound_changes_at is not None
        here = {"gpu": found.gpu, "dtype": found.weight_dtype, "input": 64, "output": 64}
        below = await ask(**here, batch=max(8, int(found.bound_changes_at * 0.8)))
        above = await ask(**here, batch=found.bound_changes_at)
        assert below.estimates[0].bound == found.bound
        if above.estimates[0].max_concurrency >= found.bound_changes_at:
            assert above.estimates[0].bound == found.bound_then
        if found.bound_then == "compute":
            assert found.compute_bound_at == found.bound_changes_at


RECORD: dict[str, Any] = {
    "id": "a", "gpu": "H100-SXM", "model": "meta-llama/Llama-3.1-8B", "isl": 4000, "osl": 500,
    "concurrency": 16, "weight_dtype": "bf16", "metric": "output_tps",
}  # fmt: skip


def test_a_line_takes_drafts_and_prefix_under_both_names() -> None:
    plain = predict_line(RECORD, LIBRARY)
    for names in (
        {"prefix_cache_hit_rate": 0.9, "num_speculative_tokens": 3, "draft_model": "eagle",
         "acceptance_rate": 0.7},
        {"cached": 0.9, "spec_tokens": 3, "draft": "eagle", "accept": 0.7},
    ):  # fmt: skip
        found = predict_line(RECORD | names, LIBRARY)
        assert found["value"] > 1.3 * plain["value"]
        assert found["ttft_ms"] < plain["ttft_ms"]
        assert found["max_concurrency"] < plain["max_concurrency"]
        assert any("EAGLE-3" in note for note in found["notes"])
        assert set(found) == set(plain)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cached": 1.5}, "prefix_cache_hit_rate must be a number from 0 to 1"),
        ({"spec_tokens": 99}, "num_speculative_tokens must be a whole number from 0 to 16"),
        ({"accept": "often"}, "acceptance_rate must be"),
        ({"draft": "no/such"}, "don't know that draft"),
        ({"weight_dtype": "fp8,bf16"}, "don't know that weight format"),
    ],
)
def test_a_line_with_a_bad_value_says_which(fields: dict[str, Any], words: str) -> None:
    assert words in predict_line(RECORD | fields, LIBRARY)["error"]
