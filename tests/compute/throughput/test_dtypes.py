"""What a weight format costs in memory and which units multiply it."""

from __future__ import annotations

import pytest

from compute.throughput.dtypes import compute_dtype, kv_bits, module_bits, named_weights
from compute.throughput.engines import pick_engine
from compute.tool import Refused
from tests.compute.throughput.known import device, question, spec


@pytest.mark.parametrize(
    ("weights", "gpu", "engine", "runs"),
    [
        ("bf16", "h100", "vllm", "fp16"),
        ("fp8", "h100", "vllm", "fp8"),
        ("fp8", "a100", "vllm", "fp16"),
        ("int4", "h100", "vllm", "fp16"),
        ("int8", "a100", "vllm", "int8"),
        ("int8", "a100", "gpt-fast", "fp16"),
        ("int8", "v100", "vllm", "fp16"),
        ("nvfp4", "b200", "tensorrt-llm", "fp4"),
        ("nvfp4", "h100", "tensorrt-llm", "fp16"),
        ("mxfp4", "h200", "vllm", "fp16"),
        ("mxfp4", "mi355x", "sglang", "fp4"),
        ("q4_k_m", "4090", "llama.cpp", "fp16"),
        ("exl2-4.0", "4090", "exllamav2", "fp16"),
    ],
)
def test_the_format_that_really_multiplies(weights: str, gpu: str, engine: str, runs: str) -> None:
    assert compute_dtype(named_weights(weights), device(gpu), engine) == runs


@pytest.mark.parametrize(
    ("model", "dtype", "gib"),
    [
        ("meta-llama/Llama-3.1-70B", "bf16", 131.4),
        ("meta-llama/Llama-2-7b-hf", "q4_0", 3.56),
        ("openai/gpt-oss-120b", "mxfp4", 60.8),
        ("meta-llama/Llama-3.1-8B", "q4_k_m", 4.6),
        ("deepseek-ai/DeepSeek-R1", "fp8", 627.0),
    ],
)
def test_weights_take_their_known_size(model: str, dtype: str, gib: float) -> None:
    asked = question(model=model, dtype=dtype, gpus=8)
    memory = asked.deployment.memory
    assert memory.weights * memory.gpus / 2**30 == pytest.approx(gib, rel=0.03)


def test_mixed_precision_by_module() -> None:
    oss, deepseek = spec("openai/gpt-oss-120b"), spec("deepseek-ai/DeepSeek-R1")
    assert module_bits(named_weights("mxfp4"), oss, "vllm").mixer == 16.0
    assert module_bits(named_weights("mxfp4"), oss, "vllm").expert == 4.25
    assert module_bits(named_weights("nvfp4"), deepseek, "sglang").mixer == 16.0
    assert module_bits(named_weights("fp8"), deepseek, "sglang").embedding == 16.0


@pytest.mark.parametrize(
    ("wanted", "weights", "gpu", "engine"),
    [
        ("auto", "auto", "h100", "vllm"),
        ("auto", "q4_k_m", "h100", "llama.cpp"),
        ("auto", "exl2-4.0", "3090", "exllamav2"),
        ("auto", "auto", "m2 ultra", "llama.cpp"),
        ("sglang", "auto", "m2 ultra", "sglang"),
    ],
)
def test_the_engine_people_would_run(wanted: str, weights: str, gpu: str, engine: str) -> None:
    assert pick_engine(wanted, weights, device(gpu)).name == engine


def test_automatic_weights_are_the_published_ones() -> None:
    assert question(model="deepseek-r1", gpus=8, gpu="h200").deployment.weights.name == "fp8"
    assert question(model="gpt-oss-20b").deployment.weights.name == "mxfp4"
    assert question(gpu="m2 ultra").deployment.weights.name == "q4_k_m"
    assert question(gpu="t4").deployment.weights.name == "fp16"


@pytest.mark.parametrize("text", ["fp7", "exl2-99", "q4_k_xl", "@everyone", "🦆"])
def test_unknown_formats_are_refused_with_examples(text: str) -> None:
    with pytest.raises(Refused) as raised:
        named_weights(text)
    assert raised.value.refusal.given == text
    assert raised.value.refusal.example == "fp8"
    with pytest.raises(Refused):
        kv_bits(text, named_weights("fp8"), "vllm")
