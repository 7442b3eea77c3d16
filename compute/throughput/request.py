"""What one asks the Throughput Calculator. The aliases are the short names of the slash command."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from compute.throughput.fields import pruned
from compute.tool import Request

Engine = Literal[
    "auto",
    "vllm",
    "sglang",
    "tensorrt-llm",
    "llama.cpp",
    "ollama",
    "lmdeploy",
    "exllamav2",
    "gpt-fast",
    "atom",
    "deepspeed",
]

MAX_TOKENS = 10_000_000
MAX_CONCURRENCY = 1_000_000
MAX_GPUS = 4096
MAX_COMPARED = 6
MAX_DRAFTED = 16


def as_typed(value: object) -> object:
    """``vLLM`` and ``MAX`` mean what they say; true is no number."""
    if isinstance(value, bool):
        return str(value)
    return value.strip().lower() if isinstance(value, str) else value


def cut_down(value: object) -> object:
    """A config.json without what no estimate reads, before its texts are checked for length."""
    return pruned(value) if isinstance(value, dict) else value


class GpuNumbers(BaseModel):
    """A GPU given by numbers, named as the columns of the catalogue. ``link`` is per direction."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    name: str = Field(default="custom GPU", max_length=60)
    mem_gb: float = Field(gt=0, le=100_000, description="memory in GiB")
    mem_bw_gbs: float = Field(gt=0, le=1_000_000, description="memory bandwidth, GB/s")
    fp16_dense_tflops: float = Field(gt=0, le=1_000_000, description="dense fp16/bf16 TFLOP/s")
    int8_dense_tops: float | None = Field(default=None, gt=0, le=1_000_000)
    fp8_dense_tflops: float | None = Field(default=None, gt=0, le=1_000_000)
    fp4_dense_tflops: float | None = Field(default=None, gt=0, le=1_000_000)
    link_bw_gbs_unidir: float | None = Field(default=None, ge=0, le=100_000)
    arch: str = Field(default="", max_length=40)
    vendor: str = Field(default="", max_length=40)


class ThroughputRequest(Request):
    """GPU + model + load -> tokens per second. Lengths are tokens per request."""

    gpu: str | GpuNumbers = Field(
        description="GPU, a comma list to compare, or numbers: 80GiB 3350GB/s 989TFLOPS",
        examples=["h100", "h100,h200,mi300x", "80GiB 3350GB/s 989TFLOPS"],
    )
    model: str = Field(
        min_length=1,
        max_length=200,
        description="model from the catalogue, or any Hugging Face id",
        examples=["meta-llama/Llama-3.1-8B"],
    )
    config: Annotated[dict[str, JsonValue] | None, BeforeValidator(cut_down)] = Field(
        default=None, description="the model's config.json itself; the hub is not asked then"
    )
    n_gpus: Annotated[int, Field(ge=1, le=MAX_GPUS)] = Field(
        default=1, alias="gpus", description="number of GPUs that serve one replica"
    )
    concurrency: Annotated[
        Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)] | Literal["max"], BeforeValidator(as_typed)
    ] = Field(
        default=1,
        alias="batch",
        description="requests in flight over the whole system, or max",
        json_schema_extra={"slider": {"low": 1, "high": 1024, "log": True}},
    )
    isl: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = Field(
        default=1024,
        alias="input",
        description="prompt tokens per request",
        json_schema_extra={"slider": {"low": 16, "high": 131_072, "log": True}},
    )
    osl: Annotated[int, Field(ge=0, le=MAX_TOKENS)] = Field(
        default=512,
        alias="output",
        description="generated tokens per request; 0 = prompt only",
        json_schema_extra={"slider": {"low": 1, "high": 16_384, "log": True}},
    )
    weight_dtype: str = Field(
        default="auto",
        alias="dtype",
        max_length=80,
        description="weights: auto, bf16, fp8, int8, int4, nvfp4, mxfp4, q4_k_m, ...; or a list",
        examples=["fp8", "bf16,fp8,int4"],
    )
    kv_dtype: str = Field(
        default="auto", max_length=20, description="KV cache: auto, fp16, fp8, int8, ..."
    )
    engine: Annotated[Engine, BeforeValidator(as_typed)] = Field(
        default="auto", description="serving engine"
    )
    engine_version: str = Field(default="", max_length=60, description="engine's version, if known")
    parallel: str = Field(
        default="",
        max_length=40,
        description="how the GPUs split the model: tp8, tp4xpp2, ep8; empty = choose",
        examples=["tp8", "tp4xpp2", "tp8xep8"],
    )
    slo: str = Field(
        default="",
        max_length=80,
        description="targets to hold: ttft=500ms tpot=30ms",
        examples=["ttft=500ms tpot=30ms"],
    )
    rate: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="requests per second to serve"
    )
    prefix_cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0,
        alias="cached",
        description="share of the prompt tokens found in the prefix cache, 0 to 1",
        examples=[0.5],
    )
    num_speculative_tokens: Annotated[int, Field(ge=0, le=MAX_DRAFTED)] | None = Field(
        default=None,
        alias="spec_tokens",
        description="speculative decoding: tokens drafted per step; 0 = off",
        examples=[3],
    )
    draft_model: str = Field(
        default="",
        alias="draft",
        max_length=200,
        description="what drafts: eagle, mtp, ngram, a head's size (0.5B), or a smaller model",
        examples=["eagle", "mtp", "meta-llama/Llama-3.2-1B"],
    )
    acceptance_rate: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        alias="accept",
        description="chance that a drafted token is kept, 0 to 1",
        examples=[0.7],
    )
    acceptance_length: Annotated[float, Field(ge=1, le=MAX_DRAFTED + 1)] | None = Field(
        default=None,
        description="tokens kept per step as engines log it (1 + accepted), instead of the rate",
        examples=[2.5],
    )
