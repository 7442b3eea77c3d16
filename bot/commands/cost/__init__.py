"""/cost: what a model costs a month, bought from a provider or served on GPUs of one's own."""

from __future__ import annotations

from bot.command import Command, options_of
from bot.commands.cost.details import details
from bot.commands.cost.summary import show
from compute.cost import CALCULATOR, TOOL
from compute.cost.request import CostRequest

OPTIONS = (
    "model", "gpu", "requests_per_day", "input", "output", "cached", "traffic", "pricing", "slo",
)  # fmt: skip
# of the forms, the pages and typed lines: the slash command's options are a public interface
MORE = (
    "gpu_price", "provider", "gpus", "dtype", "scaling", "lag", "min_replicas", "p_wait",
    "peakedness", "api_in", "api_out", "api_cached", "capex", "years", "kwh_price", "power_w",
    "pue", "hosting", "people", "storage", "utc_offset", "start", "months", "growth", "utilization",
)  # fmt: skip
SUGGEST = {
    "model": CALCULATOR.suggest_models,
    "gpu": CALCULATOR.suggest_gpus,
    "traffic": CALCULATOR.suggest_traffic,
    "pricing": CALCULATOR.suggest_pricing,
}

COMMAND = Command(
    tool=TOOL,
    options=options_of(CostRequest, OPTIONS, SUGGEST),
    show=show,
    details=details,
    more=options_of(CostRequest, MORE),
)
