"""The Kernel Benchmark: Triton, CUDA C++ and PyTorch against the ceilings of the machine itself."""

from __future__ import annotations

from compute.bench.request import BenchRequest
from compute.bench.result import BenchResult
from compute.bench.tool import needs, prepare, run
from compute.tool import Tool

TOOL = Tool(
    name="bench",
    title="Kernel Benchmark",
    summary="Triton, CUDA and PyTorch kernels against what the machine can do, measured.",
    request=BenchRequest,
    result=BenchResult,
    run=run,
    needs=needs,
    prepare=prepare,
)
