"""The answer in words: who wins, by how much, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from compute.cost.load import Load
from compute.cost.result import GpuChoice, ProviderCost, Side
from compute.cost.words import TINY_SHARE, percent, plain, seller, span, usd

PEAKED = 1.005  # below it "1.00x the mean" says nothing


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


def close_call(verdict: Verdict, provider: ProviderCost | None, gpu: GpuChoice | None) -> str:
    """That the ranges of both sides overlap; empty where one side wins clearly or alone."""
    if verdict.usd is None or verdict.clear or provider is None or gpu is None:
        return ""
    api, own = provider.range, gpu.usd_per_month
    if api is None or own is None:
        return ""
    bill = span(api.low, api.high) + (" with and without the cache" if api.low < api.high else "")
    hosting = span(own.low, own.high)
    return (
        f"A close call: over the listed prices self-hosting is {hosting} a month,"
        f" {seller(provider.provider_name)} {bill}."
    )


def machine_name(gpu: GpuChoice) -> str:
    """``3x 2xH100 SXM``: replicas in words; what follows the hours is ``up to 3x``."""
    each = gpu.gpu_name
    if gpu.n_gpus_per_replica > 1:
        each = f"{gpu.n_gpus_per_replica}x{each}"
    most = "up to " if gpu.mean_replicas < gpu.replicas else ""
    return f"{most}{gpu.replicas:,}x {each}"


def headline(
    verdict: Verdict,
    provider: ProviderCost | None,
    gpu: GpuChoice | None,
    compared: Sequence[GpuChoice] = (),
) -> str:
    """The first line of the answer; ``compared`` are all GPUs, those that cannot serve too."""
    api_text = own_text = ""
    if provider is not None and provider.usd_per_month is not None:
        api_text = f"{usd(provider.usd_per_month)} a month from {seller(provider.provider_name)}"
    if gpu is not None and gpu.usd_per_month is not None:
        month = gpu.usd_per_month
        spread = f", {span(month.low, month.high)}" if month.low < month.high else ""
        own_text = f"{usd(month.value)} a month ({machine_name(gpu)}{spread})"
    missing = _missing(compared)
    if verdict.winner == "unknown":
        return f"No provider's price is known for this model{missing}."
    if not own_text:
        return f"Buy it: {api_text}{missing}."
    if not api_text:
        return f"Self-host it: {own_text}; no provider's price is known."
    if verdict.winner == "api":
        return f"Buy it: {api_text}; self-hosting from {own_text}."
    return f"Self-host it: {own_text}; cheapest provider {api_text}."


def _missing(compared: Sequence[GpuChoice]) -> str:
    """Why there is no self-hosted month, where GPUs were compared at all."""
    if not compared:
        return ""
    if any(choice.unpriced for choice in compared):
        return "; no price is known for a GPU that can serve it"
    return "; no GPU that was compared can serve it"


def why(load: Load, gpu: GpuChoice | None) -> str:
    """The utilization this traffic really gives, and what it comes from."""
    if gpu is None:
        return "Providers bill the tokens used and nothing for idle hours."
    return (
        f"{load.profile.name} traffic uses {percent(gpu.utilization)} of these GPUs:"
        f" {_reason(gpu)}. Rent is paid for all of them."
    )


def _reason(gpu: GpuChoice) -> str:
    """What keeps the fleet from being full."""
    replicas = "replica" if gpu.replicas == 1 else "replicas"
    if gpu.replicas == gpu.min_replicas and gpu.demand_replicas < gpu.min_replicas:
        busy = plain(gpu.demand_replicas) if gpu.demand_replicas >= TINY_SHARE else "under 0.001"
        return f"it fills {busy} of {gpu.replicas:,} {replicas}, the fewest you keep running"
    peak = gpu.peak_over_mean
    waits = f"{percent(gpu.wait_probability)} of requests wait"
    room = gpu.replicas > math.ceil(gpu.demand_replicas * peak)
    short = "bursts need room" if room else "replicas are whole"
    if peak < PEAKED:
        return f"{short}; {waits}"
    return f"the busiest time is {peak:.2f}x the mean and {short}; {waits} then"
