"""What it takes to hold latency targets and a request rate."""

from __future__ import annotations

import math

from compute.throughput.deployment import Deployment
from compute.throughput.parameters import Parameters
from compute.throughput.rates import Rates
from compute.throughput.result import SloPlan
from compute.throughput.serving import Load, Served, serve
from compute.throughput.targets import Targets


def make_plan(
    deployment: Deployment,
    rates: Rates,
    load: Load,
    targets: Targets,
    rate_rps: float | None,
    p: Parameters,
) -> SloPlan:
    """The most requests in flight that hold the targets, and the copies the rate needs."""
    most = _most_in_flight(deployment, rates, load, targets, p)
    best = serve(deployment, rates, Load(load.isl, load.osl, max(1, most)), p)
    met = most >= 1
    rps = max(1, most) / best.request_s if met else 0.0
    replicas = _replicas(rate_rps, rps)
    gpus_each = deployment.memory.gpus * deployment.layout.replicas
    return SloPlan(
        ttft_ms=targets.ttft_ms,
        tpot_ms=targets.tpot_ms,
        rate_rps=rate_rps,
        met=met,
        max_concurrency=most,
        replica_rps=rps,
        replicas=replicas,
        gpus=None if replicas is None else replicas * gpus_each,
        sentence=_sentence(targets, rate_rps, most, best, rps, replicas, gpus_each),
    )


def _most_in_flight(
    deployment: Deployment, rates: Rates, load: Load, targets: Targets, p: Parameters
) -> int:
    """Latency grows with the load, so the last load that holds is found by halving."""
    room = deployment.memory.in_flight(load.isl, load.osl) * deployment.layout.replicas

    def holds(concurrency: int) -> bool:
        served = serve(deployment, rates, Load(load.isl, load.osl, concurrency), p)
        return targets.held(served.ttft_s * 1e3, served.tpot_s * 1e3)

    if room < 1 or not holds(1):
        return 0
    low, high = 1, room
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _replicas(rate_rps: float | None, rps: float) -> int | None:
    if rate_rps is None or rps <= 0:
        return None
    return math.ceil(rate_rps / rps)


def _sentence(
    targets: Targets,
    rate_rps: float | None,
    most: int,
    best: Served,
    rps: float,
    replicas: int | None,
    gpus_each: int,
) -> str:
    limits = [
        f"{name} <= {value:g} ms"
        for name, value in (("TTFT", targets.ttft_ms), ("TPOT", targets.tpot_ms))
        if value is not None
    ]
    wanted = " and ".join(limits) or "No latency target"
    if most < 1:
        return (
            f"{wanted} can't be held even for one request: TTFT {best.ttft_s * 1e3:,.0f} ms,"
            f" TPOT {best.tpot_s * 1e3:,.1f} ms there."
        )
    held = f"{wanted}: up to {most:,} in flight, {rps:,.2f} requests/s from {_gpus(gpus_each)}"
    if replicas is None or rate_rps is None:
        return f"{held}."
    total = replicas * gpus_each
    return f"{held}; {rate_rps:,.10g} requests/s need {replicas:,} of these, {_gpus(total)} in all."


def _gpus(number: int) -> str:
    return "1 GPU" if number == 1 else f"{number:,} GPUs"
