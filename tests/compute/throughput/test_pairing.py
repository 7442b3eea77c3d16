"""An engine is not made up where there is none for that GPU or that format."""

from __future__ import annotations

from typing import Any

import pytest

from compute.throughput import TOOL
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult
from compute.tool import Refused
from tests.sample import PlainContext


async def ask(**fields: Any) -> ThroughputResult:
    asked = {"gpu": "h100", "model": "Llama-3.1-8B", **fields}
    return await TOOL.run(ThroughputRequest.model_validate(asked), PlainContext())


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("engine", {"gpu": "mi300x", "engine": "tensorrt-llm"}),
        ("engine", {"gpu": "m4 max,m3 ultra", "engine": "tensorrt-llm"}),
        ("engine", {"gpu": "m3 ultra", "engine": "exllamav2"}),
        ("engine", {"engine": "atom"}),
        ("weight_dtype", {"engine": "llama.cpp", "dtype": "fp8"}),
        ("weight_dtype", {"engine": "sglang", "dtype": "exl2-4.0"}),
        ("weight_dtype", {"engine": "exllamav2", "dtype": "nvfp4"}),
        ("weight_dtype", {"engine": "tensorrt-llm", "dtype": "q4_k_m"}),
    ],
)
async def test_what_does_not_exist_is_refused_and_what_is_near_works(
    field: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as raised:
        await ask(**fields)
    refusal = raised.value.refusal
    assert refusal.field == field and refusal.nearest
    name = ThroughputRequest.model_fields[field].alias or field
    for near in refusal.nearest:
        assert (await ask(**{**fields, name: near})).estimates


async def test_a_gpu_given_by_numbers_may_be_anyones() -> None:
    assert (await ask(gpu="80GiB 3350GB/s 989TFLOPS", engine="tensorrt-llm")).estimates[0].fits


@pytest.mark.parametrize("gpu", ["m3 ultra", "h100", "mi300x", "4090"])
@pytest.mark.parametrize("engine", ["auto", "llama.cpp", "ollama", "vllm", "sglang"])
@pytest.mark.parametrize("model", ["DeepSeek-V3", "gpt-oss-20b", "Qwen3-8B"])
async def test_the_format_chosen_is_one_the_engine_reads(gpu: str, engine: str, model: str) -> None:
    (found,) = (await ask(gpu=gpu, engine=engine, model=model, gpus=4)).estimates
    assert found.weight_dtype != "fp8" or found.engine not in ("llama.cpp", "ollama")


async def test_fixes_stay_with_the_engine() -> None:
    answer = await ask(gpu="b300", engine="tensorrt-llm", model="DeepSeek-V3")
    assert "MI355X" not in [fix.changes.get("gpu") for fix in answer.fixes]
    answer = await ask(engine="exllamav2", dtype="bf16", model="Llama-3.1-70B")
    assert "exl2-6.0" in [fix.changes.get("weight_dtype") for fix in answer.fixes]
