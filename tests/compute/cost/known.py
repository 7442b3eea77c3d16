"""Requests and results that the tests of this folder share."""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import cache
from typing import Any

from compute.cost import TOOL, CostRequest, CostResult
from compute.cost.fleet import Shape
from compute.cost.replica import Machine, Served
from compute.cost.selfhost import Hosting, Terms
from compute.cost.tool import Calculator
from compute.inputs import check_inputs
from tests.sample import PlainContext

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MODEL = "openai/gpt-oss-120b"


@cache
def calculator() -> Calculator:
    """One that lives on the day these tests were written."""
    return Calculator(clock=lambda: NOW)


def request(**inputs: Any) -> CostRequest:
    """The checked request; the model where none is named."""
    checked = check_inputs(TOOL, {"model": MODEL} | inputs)
    assert isinstance(checked, CostRequest)
    return checked


def ask(**inputs: Any) -> CostResult:
    """The whole answer."""
    return asyncio.run(calculator().run(request(**inputs), PlainContext()))


def served(n_gpus: int = 1, rps: float = 4.0, slots: int = 64) -> Served:
    return Served(n_gpus, rps, slots, 0.75, 1.3, "bf16", "", "vllm")


def machine(*sizes: Served) -> Machine:
    return Machine("H100-SXM", "H100 SXM", 700.0, "a test", sizes or (served(),), "")


def hosting(
    *sizes: Served,
    shape: Shape = Shape(((1.0, 2.0),)),  # noqa: B008 - frozen
    min_replicas: int = 1,
    fixed_usd: float = 0.0,
    monthly_usd: float = 0.0,
    peakedness: float = 1.0,
) -> Hosting:
    """GPUs at $2 an hour that hold a peak of twice the mean."""
    terms = Terms(shape, min_replicas, 0.01, peakedness, 2.0, monthly_usd, fixed_usd)
    return Hosting(machine(*sizes), terms)
