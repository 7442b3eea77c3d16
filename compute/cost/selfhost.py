"""A month on one's own GPUs: whole replicas at a price, rented or bought, used or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compute.cost.fleet import Shape
from compute.cost.load import SECONDS_PER_DAY
from compute.cost.replica import Machine, Served
from compute.cost.request import CostRequest
from compute.cost.result import CostLine, GpuPrice
from compute.cost.sums import HOURS_PER_MONTH
from compute.cost.waiting import Headroom

MONTHS_PER_YEAR = 12


@dataclass(frozen=True)
class Terms:
    """What the fleet must hold and what it costs beside the GPU's hour.

    ``gpu_usd_per_hour`` is paid for every hour a replica runs, ``gpu_usd_per_month`` for every GPU
    owned or hosted, ``fixed_usd`` once a month.
    """

    shape: Shape
    min_replicas: int
    chance: float
    peakedness: float
    gpu_usd_per_hour: float
    gpu_usd_per_month: float
    fixed_usd: float


@dataclass(frozen=True)
class Fleet:
    """One size of replica under one load: N at the peak, over the hours, and its month in USD."""

    served: Served
    demand: float
    replicas: int
    mean_replicas: float
    wait: float
    usd: float

    @property
    def utilization(self) -> float:
        """D / mean N."""
        return self.demand / self.mean_replicas


class Sizing:
    """The replicas of one kind that any volume needs."""

    def __init__(self, served: Served, terms: Terms, speed: float = 1.0) -> None:
        self.served = served
        self._terms = terms
        self._rps = served.rps * speed
        self._headroom = Headroom(served.slots, terms.chance, terms.peakedness)
        self._known: dict[float, tuple[int, float]] = {}  # curves ask for a volume three times

    def usd(self, requests_per_day: float, usd_per_hour: float | None = None) -> float:
        """USD a month; ``usd_per_hour`` of a GPU instead of the terms' own."""
        most, mean = self._replicas(requests_per_day / SECONDS_PER_DAY / self._rps)
        return self._usd(most, mean, usd_per_hour)

    def fleet(self, requests_per_day: float) -> Fleet:
        """The fleet for that volume in full."""
        demand = requests_per_day / SECONDS_PER_DAY / self._rps
        most, mean = self._replicas(demand)
        wait = self._headroom.wait(most, demand * self._terms.shape.peak)
        return Fleet(self.served, demand, most, mean, wait, self._usd(most, mean))

    def _replicas(self, demand: float) -> tuple[int, float]:
        """Replicas at the busiest time and their mean over the hours."""
        if demand not in self._known:
            terms = self._terms
            self._known[demand] = self._headroom.over(demand, terms.shape.steps, terms.min_replicas)
        return self._known[demand]

    def least_usd_each(self) -> float:
        """USD a month that a request per day costs at the least, at any volume: full replicas."""
        terms = self._terms
        load = sum(share * load for share, load in terms.shape.steps)
        hourly = load * terms.gpu_usd_per_hour * HOURS_PER_MONTH
        owned = terms.shape.peak * terms.gpu_usd_per_month
        return (hourly + owned) * self.served.n_gpus / SECONDS_PER_DAY / self._rps

    def _usd(self, most: int, mean: float, usd_per_hour: float | None = None) -> float:
        terms, gpus = self._terms, self.served.n_gpus
        hourly = terms.gpu_usd_per_hour if usd_per_hour is None else usd_per_hour
        rent = mean * gpus * hourly * HOURS_PER_MONTH
        return rent + most * gpus * terms.gpu_usd_per_month + terms.fixed_usd


class Hosting:
    """One GPU choice: at each volume the size of replica that costs least."""

    def __init__(self, machine: Machine, terms: Terms, speed: float = 1.0) -> None:
        self.machine = machine
        self.terms = terms
        self._sizings = [Sizing(served, terms, speed) for served in machine.served]

    def usd(self, requests_per_day: float, usd_per_hour: float | None = None) -> float:
        """USD a month."""
        return min(sizing.usd(requests_per_day, usd_per_hour) for sizing in self._sizings)

    def least_usd_each(self) -> float:
        """USD a month below which a request per day never costs, however many there are."""
        return min(sizing.least_usd_each() for sizing in self._sizings)

    def fleet(self, requests_per_day: float) -> Fleet:
        """The cheapest fleet; of equals the smaller replica."""
        fleets = [sizing.fleet(requests_per_day) for sizing in self._sizings]
        return min(fleets, key=lambda fleet: (fleet.usd, fleet.served.n_gpus))


def terms_of(
    request: CostRequest, machine: Machine, price: GpuPrice, shape: Shape, peakedness: float
) -> Terms:
    """The terms of one GPU at its median price, from what the request says."""
    bought = request.capex_usd_per_gpu
    monthly = request.hosting_usd_per_gpu_month
    if bought is not None:
        monthly += bought / (request.years * MONTHS_PER_YEAR)
    return Terms(
        shape=shape,
        min_replicas=request.min_replicas,
        chance=request.wait_probability,
        peakedness=peakedness,
        gpu_usd_per_hour=power_usd_per_hour(request, machine) if bought else price.median,
        gpu_usd_per_month=monthly,
        fixed_usd=request.people_usd_per_month + request.storage_usd_per_month,
    )


def power_usd_per_hour(request: CostRequest, machine: Machine) -> float:
    """Electricity of one GPU running an hour: watts x PUE x price; full power, busy or not."""
    watts = request.power_w_per_gpu or machine.tdp_w or 0.0
    return watts / 1000 * request.pue * request.power_usd_per_kwh


def cost_lines(
    request: CostRequest, fleet: Fleet, terms: Terms, machine: Machine
) -> list[CostLine]:
    """The parts of the month, which add up to it; lines of 0 are left out."""
    running = fleet.mean_replicas * fleet.served.n_gpus
    owned = fleet.replicas * fleet.served.n_gpus
    hours = f"{running:,.4g} GPUs x {HOURS_PER_MONTH} h x ${terms.gpu_usd_per_hour:,.4g}"
    bought = request.capex_usd_per_gpu
    lines: Sequence[CostLine] = (
        CostLine(
            name="power" if bought else "rent",
            usd_per_month=running * HOURS_PER_MONTH * terms.gpu_usd_per_hour,
            detail=_power_text(request, machine, running) if bought else hours,
        ),
        CostLine(
            name="hardware",
            usd_per_month=owned * (bought or 0.0) / (request.years * MONTHS_PER_YEAR),
            detail=f"{owned:,} GPUs x ${bought or 0:,.0f} over {request.years:g} years",
        ),
        CostLine(
            name="hosting",
            usd_per_month=owned * request.hosting_usd_per_gpu_month,
            detail=f"{owned:,} GPUs x ${request.hosting_usd_per_gpu_month:,.4g}",
        ),
        CostLine(name="people", usd_per_month=request.people_usd_per_month),
        CostLine(name="storage", usd_per_month=request.storage_usd_per_month),
    )
    return [line for line in lines if line.usd_per_month > 0]


def _power_text(request: CostRequest, machine: Machine, running: float) -> str:
    watts = request.power_w_per_gpu or machine.tdp_w or 0.0
    return (
        f"{running:,.4g} GPUs x {watts:,.0f} W x PUE {request.pue:g} x {HOURS_PER_MONTH} h"
        f" x ${request.power_usd_per_kwh:g}/kWh"
    )
