"""What one asks the Kernel Benchmark. The slash command's options are op to gpu."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compute.tool import Request

Cache = Literal["cold", "warm", "both"]
Method = Literal["event", "graph"]
MOST_BUDGET_S = 900.0


class BenchRequest(Request):
    """An operator, its shapes and a machine; what is left out is chosen."""

    op: str = Field(
        min_length=1,
        max_length=60,
        description="operator, such as rms_norm or gemm",
        examples=["rms_norm"],
    )
    dtype: str = Field(
        default="",
        max_length=20,
        description="bf16, fp16, fp32, tf32 or fp8; left out: bf16 where the operator has it",
        examples=["bf16"],
    )
    shapes: str = Field(
        default="",
        max_length=400,
        description="shapes such as 4096x4096, 16384x8192, or M=16,N=4096",
        examples=["4096x4096, 16384x8192"],
    )
    preset: str = Field(
        default="",
        max_length=120,
        description="a model's shapes (llama-3.1-8b decode), smoke, models, sweep, or explain",
        examples=["llama-3.1-8b"],
    )
    gpu: str = Field(
        default="",
        max_length=60,
        description="H100 and so on, cuda (any GPU) or cpu; left out: a GPU if one is attached",
        examples=["h100"],
    )
    implementations: str = Field(
        default="",
        max_length=200,
        description="comma list such as torch, triton; left out: all",
        examples=["torch, triton"],
    )
    cache: Cache = Field(
        default="cold", description="L2 cache before each launch: flushed, as left, or both"
    )
    method: Method = Field(
        default="event", description="timed by events round each launch, or a CUDA graph's replay"
    )
    budget_s: Annotated[float, Field(ge=2, le=MOST_BUDGET_S)] = Field(
        default=60.0,
        description="seconds to measure, and as many again to compile; shapes share them",
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="seed of the random inputs"
    )
