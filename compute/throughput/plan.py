"""What it takes to hold latency targets and a request rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from compute.throughput.estimate import Question
from compute.throughput.result import Range, SloPlan
from compute.throughput.serving import Served
from compute.throughput.targets import Targets


def make_plan(
    question: Question, targets: Targets, rate_rps: float | None, speed: Range | None = None
) -> SloPlan:
    """The most requests in flight that hold the targets, and the copies the rate needs.

    ``speed``: an estimate whose interval says how sure the number of copies is.
    """
    most = _most_in_flight(question, targets)
    reached = question.served(max(1, most))
    rps = most / reached.request_s
    replicas = _replicas(rate_rps, rps)
    low, high = (speed.low / speed.value, speed.high / speed.value) if speed else (1.0, 1.0)
    layout = question.deployment.layout
    gpus_each = question.deployment.memory.gpus * layout.replicas
    return SloPlan(
        ttft_ms=targets.ttft_ms,
        tpot_ms=targets.tpot_ms,
        rate_rps=rate_rps,
        met=most >= 1,
        max_concurrency=most,
        replica_rps=rps,
        replicas=replicas,
        gpus=_times(replicas, gpus_each),
        sentence=_sentence(targets, rate_rps, most, reached, rps, replicas, gpus_each),
        replica_gpus=gpus_each,
        at_ttft_ms=reached.ttft_s * 1e3,
        at_tpot_ms=reached.tpot_s * 1e3,
        gpus_low=_times(_replicas(rate_rps, rps * high), gpus_each),
        gpus_high=_times(_replicas(rate_rps, rps * low), gpus_each),
    )


def _replicas(rate_rps: float | None, rps: float) -> int | None:
    return math.ceil(rate_rps / rps) if rate_rps is not None and rps > 0 else None


def _times(replicas: int | None, gpus_each: int) -> int | None:
    return None if replicas is None else replicas * gpus_each


def fewest_gpus(plans: Sequence[SloPlan | None]) -> int | None:
    """The place of the plan that needs the fewest GPUs; without a rate, that does most with one."""
    held = [(place, plan) for place, plan in enumerate(plans) if plan is not None and plan.met]
    if not held:
        return None
    return min(held, key=lambda item: (item[1].gpus or 0, -item[1].rps_per_gpu))[0]


def _most_in_flight(question: Question, targets: Targets) -> int:
    """Latency grows with the load, so the last load that holds is found by halving."""
    room = question.capacity

    def holds(concurrency: int) -> bool:
        served = question.served(concurrency)
        return targets.held(served.ttft_s * 1e3, served.tpot_s * 1e3)

    if room < 1 or not holds(1):
        return 0
    low, high = 1, room
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def wanted(targets: Targets) -> str:
    """The targets in words: ``TTFT <= 500 ms and TPOT <= 30 ms``; empty where there are none."""
    limits = (("TTFT", targets.ttft_ms), ("TPOT", targets.tpot_ms))
    return " and ".join(f"{name} <= {value:,.6g} ms" for name, value in limits if value is not None)


def _sentence(
    targets: Targets,
    rate_rps: float | None,
    most: int,
    reached: Served,
    rps: float,
    replicas: int | None,
    gpus_each: int,
) -> str:
    limits = wanted(targets) or "No latency target"
    if most < 1:
        return (
            f"{limits} can't be held even for one request: TTFT {reached.ttft_s * 1e3:,.0f} ms,"
            f" TPOT {reached.tpot_s * 1e3:,.1f} ms there."
        )
    held = f"{limits}: up to {most:,} in flight, {rps:,.2f} requests/s from {_gpus(gpus_each)}"
    if replicas is None or rate_rps is None:
        return f"{held}."
    total = replicas * gpus_each
    return f"{held}; {rate_rps:,.10g} requests/s need {replicas:,} of these, {_gpus(total)} in all."


def _gpus(number: int) -> str:
    return "1 GPU" if number == 1 else f"{number:,} GPUs"
