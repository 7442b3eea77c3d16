"""The Cost Calculator: providers against self-hosting at the utilization traffic really gives."""

from __future__ import annotations

from compute.cost.fleet import FleetSize, size_fleet
from compute.cost.pricebook import start_refresh
from compute.cost.prices import Price, price_month, price_request
from compute.cost.request import CostRequest
from compute.cost.result import CostResult
from compute.cost.sums import (
    Usage,
    api_usd,
    breakeven_mtok,
    selfhost_month,
    selfhost_usd_per_mtok,
)
from compute.cost.tool import Calculator
from compute.cost.trace import profile_of_csv
from compute.tool import Tool

__all__ = [
    "CALCULATOR",
    "TOOL",
    "CostRequest",
    "CostResult",
    "FleetSize",
    "Price",
    "Usage",
    "api_usd",
    "breakeven_mtok",
    "price_month",
    "price_request",
    "profile_of_csv",
    "selfhost_month",
    "selfhost_usd_per_mtok",
    "size_fleet",
    "start_refresh",
]

CALCULATOR = Calculator()  # reads nothing until it is first asked

TOOL = Tool(
    name="cost",
    title="Inference Cost Calculator",
    summary="What a model costs a month: providers against your own GPUs at their real use.",
    request=CostRequest,
    result=CostResult,
    run=CALCULATOR.run,
    waits=CALCULATOR.waits,
    prepare=CALCULATOR.prepare,
    refresh=start_refresh,
)
