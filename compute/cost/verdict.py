"""The answer in words: who wins, by how much, and why."""

from __future__ import annotations

from dataclasses import dataclass

from compute.cost.load import Load
from compute.cost.result import GpuChoice, ProviderCost, Side

MOST_FIXES = 4


@dataclass(frozen=True)
class Verdict:
    """Who wins at today's volume and by how much, USD a month."""

    winner: Side
    name: str
    usd: float | None
    ratio: float | None
    clear: bool


def judge(provider: ProviderCost | None, gpu: GpuChoice | None) -> Verdict:
    """The cheapest provider against the best GPU at its median price."""
    api = provider.usd_per_month if provider is not None else None
    own = gpu.usd_per_month if gpu is not None else None
    if provider is None or api is None:
        if gpu is None or own is None:
            return Verdict("unknown", "", None, None, False)
        return Verdict("selfhost", gpu.gpu_name, None, None, False)
    if gpu is None or own is None:
        return Verdict("api", provider.provider_name, None, None, False)
    high = provider.range.high if provider.range is not None else api
    if own.value < api:
        ratio = api / own.value
        return Verdict("selfhost", gpu.gpu_name, api - own.value, ratio, own.high < api)
    loses_by = own.value / api if api > 0 else None
    return Verdict("api", provider.provider_name, own.value - api, loses_by, own.low > high)


def usd(value: float) -> str:
    """Dollars with as many digits as matter: $7,900; $12.30; $0.0042."""
    if value >= 1000:
        return f"${value:,.0f}"
    return f"${value:,.2f}" if value >= 0.1 else f"${value:.2g}"


def machine_name(gpu: GpuChoice) -> str:
    """``3x (2x H100 SXM)`` replicas in words."""
    each = gpu.gpu_name
    if gpu.n_gpus_per_replica > 1:
        each = f"{gpu.n_gpus_per_replica}x{each}"
    return f"{gpu.replicas:,}x {each}"


def headline(verdict: Verdict, provider: ProviderCost | None, gpu: GpuChoice | None) -> str:
    """The first line of the answer."""
    api_text = own_text = ""
    if provider is not None and provider.usd_per_month is not None:
        api_text = f"{usd(provider.usd_per_month)} a month from {provider.provider_name}"
    if gpu is not None and gpu.usd_per_month is not None:
        month = gpu.usd_per_month
        spread = f", {usd(month.low)}-{usd(month.high)}" if month.low < month.high else ""
        own_text = f"{usd(month.value)} a month ({machine_name(gpu)}{spread})"
    if verdict.winner == "unknown":
        return "No price is known for this model, and no GPU asked for can serve it."
    if not own_text:
        return f"Buy it: {api_text}; self-hosting is not possible on what was compared."
    if not api_text:
        return f"Self-host it: {own_text}; no provider's price is known."
    if verdict.winner == "api":
        return f"Buy it: {api_text}; self-hosting from {own_text}."
    return f"Self-host it: {own_text}; cheapest provider {api_text}."


def why(load: Load, gpu: GpuChoice | None) -> str:
    """The utilization this traffic really gives, and what it comes from."""
    if gpu is None:
        return "Providers bill the tokens used, whatever the hour."
    replicas = "replica" if gpu.replicas == 1 else "replicas"
    reason = f"the busiest time is {gpu.peak_over_mean:.2f}x the mean, replicas are whole"
    if gpu.replicas == gpu.min_replicas and gpu.demand_replicas < gpu.min_replicas:
        reason = f"the traffic fills {gpu.demand_replicas:.2g} of {gpu.replicas:,} {replicas}"
    return (
        f"{load.profile.name} traffic uses {gpu.utilization:.0%} of these GPUs: {reason}; at the"
        f" peak {gpu.wait_probability:.1%} of requests wait. Rent is paid for all of them."
    )
