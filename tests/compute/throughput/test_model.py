"""Parameter totals agree with the published ones; caches have their known sizes."""

from __future__ import annotations

from typing import Any

import pytest

from compute.throughput.model import build_model
from compute.tool import Refused
from tests.compute.throughput.known import LIBRARY, spec

PUBLISHED_B = {
    "meta-llama/Llama-3.1-8B": 8.03,
    "meta-llama/Llama-3.1-70B": 70.55,
    "meta-llama/Llama-3.1-405B": 405.85,
    "deepseek-ai/DeepSeek-R1": 671.0,
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16": 120.67,
    "MiniMaxAI/MiniMax-M2.5": 228.69,
    "zai-org/GLM-4.7-Flash": 29.94,
    "openai/gpt-oss-120b": 116.8,
    "openai/gpt-oss-20b": 20.9,
    "mistralai/Mixtral-8x7B-v0.1": 46.7,
    "Qwen/Qwen3-235B-A22B": 235.1,
    "Qwen/Qwen3-30B-A3B": 30.53,
    "moonshotai/Kimi-K2-Instruct": 1026.4,
    "google/gemma-2-9b": 9.24,
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": 107.8,
    "LiquidAI/LFM2.5-1.2B-Instruct": 1.17,
    "tiiuae/falcon-40b": 41.3,
    "microsoft/phi-2": 2.78,
}


@pytest.mark.parametrize(("model", "billions"), PUBLISHED_B.items())
def test_total_parameters_are_the_published_ones_within_a_hundredth(
    model: str, billions: float
) -> None:
    assert spec(model).total_params / 1e9 == pytest.approx(billions, rel=0.01)


def test_every_model_of_the_catalogue_can_be_described() -> None:
    for model in LIBRARY.models:
        described = LIBRARY.spec(model.id, model.config)
        assert 0 < described.active_params <= described.total_params + described.embedding_params


def _cache_bytes(model: str, length: int) -> float:
    """16-bit cache of one sequence, window and index included."""
    total = 0.0
    for mixer in spec(model).mixers:
        kept = min(length, mixer.window) if mixer.window else length
        total += mixer.layers * (2 * mixer.kv_elements * kept + mixer.index_elements * length)
    return total


@pytest.mark.parametrize(
    ("model", "length", "size"),
    [
        ("meta-llama/Llama-3.1-8B", 1, 2 * 8 * 128 * 32 * 2),
        ("meta-llama/Llama-3.1-70B", 1, 2 * 8 * 128 * 80 * 2),
        ("meta-llama/Llama-2-7b-hf", 1, 2 * 32 * 128 * 32 * 2),
        ("deepseek-ai/DeepSeek-R1", 1, (512 + 64) * 61 * 2),
        ("deepseek-ai/DeepSeek-V3.2", 1, (512 + 64) * 61 * 2 + 128 * 61),
        ("google/gemma-2-9b", 8192, 2 * 8 * 256 * 2 * (21 * 8192 + 21 * 4096)),
        ("openai/gpt-oss-120b", 1024, 2 * 8 * 64 * 2 * (18 * 1024 + 18 * 128)),
        ("Qwen/Qwen3.6-27B", 1, 2 * 4 * 256 * 16 * 2),
    ],
)
def test_cache_has_its_known_size(model: str, length: int, size: int) -> None:
    assert _cache_bytes(model, length) == size


def test_hybrid_models_keep_a_constant_state() -> None:
    states = [mixer for mixer in spec("Qwen/Qwen3.6-35B-A3B").mixers if mixer.state_elements]
    assert [(mixer.layers, mixer.state_elements) for mixer in states] == [(30, 32 * 128 * 128)]


RAW: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
}


def test_a_raw_config_gives_the_same_as_the_catalogue() -> None:
    raw, known = build_model("x/y", RAW), spec("meta-llama/Llama-3.1-8B")
    assert (raw.total_params, raw.mixers) == (known.total_params, known.mixers)


def test_a_nested_config_is_read_from_its_language_part() -> None:
    nested = {"model_type": "some_vl", "vision_config": {"hidden_size": 7}, "text_config": RAW}
    assert build_model("x/y", nested).total_params == build_model("x/y", RAW).total_params


def test_quantised_checkpoints_say_so() -> None:
    fp8 = {**RAW, "quantization_config": {"quant_method": "fp8"}}
    awq = {**RAW, "quantization_config": {"quant_method": "awq", "bits": 4}}
    assert build_model("x/y", fp8).native_dtype == "fp8"
    assert build_model("x/y", awq).native_dtype == "int4"
    assert build_model("x/y-NVFP4", RAW).native_dtype == "nvfp4"
    assert build_model("x/y", RAW).native_dtype == "bf16"


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "modernbert", "t5", "whisper"])
def test_encoders_are_refused_with_a_reason(kind: str) -> None:
    with pytest.raises(Refused, match="not a decoder-only"):
        build_model("x/encoder", {**RAW, "model_type": kind})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_hidden_layers", "32"),
        ("num_hidden_layers", 10**12),
        ("num_hidden_layers", 5000),
        ("hidden_size", 0),
        ("hidden_size", None),
        ("vocab_size", -1),
        ("num_attention_heads", True),
        ("layer_types", ["quantum_attention"]),
        ("num_experts", 8),
    ],
)
def test_a_config_that_makes_no_sense_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(Refused, match=r"config\.json") as raised:
        build_model("x/y", {**RAW, field: value})
    assert raised.value.refusal.field == "model"
