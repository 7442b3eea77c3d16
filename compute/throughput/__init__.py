"""The Throughput Calculator: tokens per second of any model on any GPU, with range and reason."""

from __future__ import annotations

from compute.throughput.library import Library
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult
from compute.throughput.tool import Calculator
from compute.tool import Tool

CALCULATOR = Calculator(Library())  # reads nothing until it is first asked

TOOL = Tool(
    name="throughput",
    title="Throughput Calculator",
    summary="Tokens per second, latency and memory of a model on GPUs, with a range and a reason.",
    request=ThroughputRequest,
    result=ThroughputResult,
    run=CALCULATOR.run,
    waits=CALCULATOR.waits,
    prepare=CALCULATOR.prepare,
    batch=CALCULATOR.batch,
)
