"""The GPUs to compare: price, replicas and fleet of each, cheapest first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from compute.cost.fleet import fleet_shape
from compute.cost.load import Load
from compute.cost.replica import Machine
from compute.cost.request import CostRequest
from compute.cost.result import GpuChoice, GpuPrice, Range
from compute.cost.selfhost import (
    MONTHS_PER_YEAR,
    Fleet,
    Hosting,
    cost_lines,
    power_usd_per_hour,
    terms_of,
)
from compute.cost.sums import HOURS_PER_MONTH
from compute.cost.words import percent, plain
from content.gpu_prices import GpuPriceRange, GpuPrices

# Compared where no GPU is named: the most listed of each kind that serves language models.
USUAL = ("H100-SXM", "H200-SXM", "B200-SXM", "A100-SXM-80GB", "L40S", "RTX-PRO-6000-BSE")


@dataclass(frozen=True)
class Choice:
    """One GPU: ``hosting`` is its cost over volume, None where ``sentence`` says why not."""

    machine: Machine
    price: GpuPrice | None
    hosting: Hosting | None
    sentence: str = ""

    def usd(self, requests_per_day: float, end: str = "median") -> float:
        """USD a month at the low, median or high price of the GPU."""
        assert self.hosting is not None and self.price is not None
        if self.price.pricing == "bought" or end == "median":
            return self.hosting.usd(requests_per_day)
        return self.hosting.usd(requests_per_day, getattr(self.price, end))


def choices_of(
    request: CostRequest,
    load: Load,
    machines: Sequence[Machine],
    prices: GpuPrices,
    rent: str,
    today: dt.date,
) -> list[Choice]:
    """Every GPU that was asked for, the cheapest at this volume first, impossible ones last."""
    found = [_choice(request, load, machine, prices, rent, today) for machine in machines]
    volume = load.requests_per_day
    return sorted(found, key=lambda c: c.usd(volume) if c.hosting else float("inf"))


def _choice(
    request: CostRequest,
    load: Load,
    machine: Machine,
    prices: GpuPrices,
    rent: str,
    today: dt.date,
) -> Choice:
    if not machine.served:
        return Choice(machine, None, None, machine.sentence)
    price = price_of(request, machine, prices, rent, today)
    if price is None:
        return Choice(machine, None, None, _no_price(machine, prices, rent))
    if request.capex_usd_per_gpu and not (request.power_w_per_gpu or machine.tdp_w):
        return Choice(machine, None, None, f"{machine.name}: give power_w, its watts are unknown.")
    return Choice(machine, price, hosting_of(request, load, machine, price))


def hosting_of(
    request: CostRequest, load: Load, machine: Machine, price: GpuPrice, speed: float = 1.0
) -> Hosting:
    """The GPU's cost over volume; ``speed`` times the estimated throughput."""
    shape = fleet_shape(load.profile, request.scaling, request.lag_h)
    return Hosting(machine, terms_of(request, machine, price, shape, load.peakedness), speed)


def price_of(
    request: CostRequest, machine: Machine, prices: GpuPrices, rent: str, today: dt.date
) -> GpuPrice | None:
    """USD per GPU-hour: bought, one's own, or the snapshot's range; None where nobody lists it."""
    if request.capex_usd_per_gpu is not None:
        hardware = request.capex_usd_per_gpu / (request.years * MONTHS_PER_YEAR)
        monthly = hardware + request.hosting_usd_per_gpu_month
        usd = monthly / HOURS_PER_MONTH + power_usd_per_hour(request, machine)
        return _own_price(usd, "bought")
    if request.gpu_usd_per_hour is not None:
        return _own_price(request.gpu_usd_per_hour, "own")
    found = prices.range(machine.gpu, rent)
    return None if found is None else _listed(found, today)


def _own_price(usd: float, pricing: str) -> GpuPrice:
    return GpuPrice.model_validate(
        {
            "low": usd, "median": usd, "high": usd, "offers": 0, "providers": 0,
            "low_provider": "", "high_provider": "", "oldest": "", "newest": "",
            "stale": False, "pricing": pricing, "source": "typed in",
        }
    )  # fmt: skip


def _listed(found: GpuPriceRange, today: dt.date) -> GpuPrice:
    dates = [date.isoformat() for date in found.dates]
    return GpuPrice.model_validate(
        {
            "low": found.low,
            "median": found.median,
            "high": found.high,
            "offers": len(found.offers),
            "providers": len({offer.provider for offer in found.offers}),
            "low_provider": found.offers[0].provider,
            "high_provider": found.offers[-1].provider,
            "oldest": dates[0] if dates else "",
            "newest": dates[-1] if dates else "",
            "stale": found.stale(today),
            "pricing": found.pricing,
            "source": "; ".join(sorted({offer.source.split(" ")[0] for offer in found.offers})),
        }
    )


def _no_price(machine: Machine, prices: GpuPrices, rent: str) -> str:
    other = "on-demand" if rent == "spot" else "spot"
    listed = f", only {other}" if prices.range(machine.gpu, other) is not None else ""
    return f"No {rent} price of {machine.name} in the snapshot{listed}: give gpu_price."


def gpu_choice(
    request: CostRequest, load: Load, choice: Choice, breakeven: float | None
) -> GpuChoice:
    """The choice as the answer shows it."""
    machine, hosting, price = choice.machine, choice.hosting, choice.price
    if hosting is None or price is None:
        return GpuChoice(
            gpu=machine.gpu,
            gpu_name=machine.name,
            feasible=False,
            sentence=choice.sentence,
            unpriced=bool(machine.served),
        )
    volume, mtok = load.requests_per_day, load.mtok_per_month
    fleet = hosting.fleet(volume)
    month = _range(*(choice.usd(volume, end) for end in ("median", "low", "high")))
    typed_month, typed_mtok = _typed(request, fleet, choice, mtok)
    speeds = (fleet.served.low, fleet.served.high)
    slow, fast = (hosting_of(request, load, machine, price, speed) for speed in speeds)
    return GpuChoice(
        gpu=machine.gpu,
        gpu_name=machine.name,
        feasible=True,
        sentence=_sentence(fleet, machine),
        **_replica(fleet, load),
        **_size(fleet),
        min_replicas=request.min_replicas,
        peak_over_mean=load.profile.peak_over_mean,
        price=price,
        lines=cost_lines(request, fleet, hosting.terms, machine),
        usd_per_month=month,
        usd_per_mtok=_range(month.value / mtok, month.low / mtok, month.high / mtok),
        throughput_low_usd=slow.usd(volume),
        throughput_high_usd=fast.usd(volume),
        typed_utilization=request.utilization,
        typed_usd_per_month=typed_month,
        typed_usd_per_mtok=typed_mtok,
        breakeven_requests_per_day=breakeven,
    )


class Replica(TypedDict):
    """The fields that say what one replica is and serves."""

    n_gpus_per_replica: int
    weight_dtype: str
    parallel: str
    engine: str
    replica_rps: float
    slots_per_replica: int
    replica_tps: float


def _replica(fleet: Fleet, load: Load) -> Replica:
    served = fleet.served
    return {
        "n_gpus_per_replica": served.n_gpus,
        "weight_dtype": served.weight_dtype,
        "parallel": served.parallel,
        "engine": served.engine,
        "replica_rps": served.rps,
        "slots_per_replica": served.slots,
        "replica_tps": served.rps * load.osl,
    }


class Size(TypedDict):
    """The fields that say how many replicas there are and how much of them is used."""

    demand_replicas: float
    replicas: int
    mean_replicas: float
    gpus: int
    utilization: float
    wait_probability: float


def _size(fleet: Fleet) -> Size:
    return {
        "demand_replicas": fleet.demand,
        "replicas": fleet.replicas,
        "mean_replicas": fleet.mean_replicas,
        "gpus": fleet.replicas * fleet.served.n_gpus,
        "utilization": fleet.utilization,
        "wait_probability": fleet.wait,
    }


def _typed(
    request: CostRequest, fleet: Fleet, choice: Choice, mtok: float
) -> tuple[float | None, float | None]:
    """(USD a month, USD/Mtok) if the typed-in utilization were true: D / u replicas, not whole."""
    if request.utilization is None:
        return None, None
    assert choice.hosting is not None
    terms = choice.hosting.terms
    gpus = fleet.demand / request.utilization * fleet.served.n_gpus
    each = terms.gpu_usd_per_hour * HOURS_PER_MONTH + terms.gpu_usd_per_month
    usd = gpus * each + terms.fixed_usd
    return usd, usd / mtok


def _range(value: float, low: float, high: float) -> Range:
    return Range(value=value, low=low, high=high)


def _sentence(fleet: Fleet, machine: Machine) -> str:
    size = fleet.served.n_gpus
    each = machine.name if size == 1 else f"{size}x {machine.name}"
    return (
        f"{fleet.replicas:,} x {each}: demand {plain(fleet.demand)} replicas, used"
        f" {percent(fleet.utilization)} of the time."
    )
