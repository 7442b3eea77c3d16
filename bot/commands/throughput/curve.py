"""The picture: a user's speed against a GPU's output, one line for each compared choice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bot.command import number
from bot.commands.throughput.words import machine, names, short_names
from bot.view import Chart, Mark, Series
from compute.throughput.result import CurvePoint, Estimate, ThroughputResult

USER_SPEEDS = (20, 50, 100)  # faster than reading, a fluent chat, an agent's steps
APART = 3  # of several lines every third load is labelled, or their labels meet


def curve_chart(result: ThroughputResult) -> Chart | None:
    """The trade-off every operator chooses on; None where nothing fits or nothing is generated."""
    shown = [
        (found, name)
        for found, name in zip(result.estimates, short_names(result), strict=True)
        if found.fits and len(found.curve) > 1
    ]
    if not shown or not result.osl:
        return None
    alone = len(shown) == 1
    first = shown[0][0]
    return Chart(
        title=_title([found for found, _ in shown], result),
        x_label="tokens/s per user" if alone else "tokens/s per user (labels: in flight)",
        y_label="output tokens/s per GPU",
        series=tuple(_series(found, name, alone=alone) for found, name in shown),
        marks=(_mark(first),) if alone else (),
        alt=_alt(shown),
    )


def frontier(result: ThroughputResult) -> str:
    """Who does most with a GPU at which speed per user, where that is not one alone."""
    if not result.osl:
        return ""
    pairs = zip(result.estimates, names(result), strict=True)
    shown = [(found, name) for found, name in pairs if found.fits and found.curve]
    said: list[str] = []
    winners: list[str] = []
    for speed in USER_SPEEDS:
        reached = {name: _per_gpu_at(found.curve, speed) for found, name in shown}
        best = max(reached, key=lambda name: reached[name], default="")
        if best and reached[best] > 0:
            winners.append(best)
            said.append(f"{best} at {speed} tok/s per user ({number(reached[best])})")
    return f"Most per GPU: {'; '.join(said)}." if len(set(winners)) > 1 else ""


def _per_gpu_at(curve: Sequence[CurvePoint], speed: float) -> float:
    """Output tokens/s per GPU while each user still gets ``speed``; 0 where none does."""
    best = max((p.tps_gpu for p in curve if p.tps_user >= speed), default=0.0)
    for few, many in pairwise(curve):
        if many.tps_user < speed <= few.tps_user:
            part = (few.tps_user - speed) / (few.tps_user - many.tps_user)
            best = max(best, few.tps_gpu + part * (many.tps_gpu - few.tps_gpu))
    return best


def _series(estimate: Estimate, name: str, *, alone: bool) -> Series:
    points = estimate.curve
    return Series(
        name=machine(estimate) if alone else name,
        xs=tuple(p.tps_user for p in points),
        ys=tuple(p.tps_gpu for p in points),
        labels=_loads(estimate) if alone else _some_loads(estimate),
    )


def _title(shown: Sequence[Estimate], result: ThroughputResult) -> str:
    gpus = {found.gpu_name for found in shown}
    formats = {found.weight_dtype for found in shown}
    of = f" {shown[0].weight_dtype}" if len(formats) == 1 else ""
    number_of = shown[0].n_gpus
    on = f" on {number_of} GPUs" if number_of > 1 else ""
    if len(gpus) == 1:
        on = f" on {machine(shown[0], parallel=False)}"
    return f"{result.model_name}{of}{on}"


def _loads(estimate: Estimate) -> tuple[str, ...]:
    """Requests in flight beside each point; the marked one has its own label."""
    loads = [p.concurrency for p in estimate.curve]
    labels = ["" if load == estimate.concurrency else f"{load}" for load in loads]
    if labels[-1]:
        labels[-1] += " in flight"
    return tuple(labels)


def _some_loads(estimate: Estimate) -> tuple[str, ...]:
    """Requests in flight beside some points of one line among several, the last among them."""
    last = len(estimate.curve) - 1
    return tuple(
        f"{point.concurrency}" if (last - place) % APART == 0 else ""
        for place, point in enumerate(estimate.curve)
    )


def _mark(estimate: Estimate) -> Mark:
    per_gpu = 1 / estimate.n_gpus
    return Mark(
        x=estimate.decode_tps_user.value,
        y=estimate.output_tps.value * per_gpu,
        label=f"{estimate.concurrency} in flight",
        y_low=estimate.output_tps.low * per_gpu,
        y_high=estimate.output_tps.high * per_gpu,
    )


def _alt(shown: Sequence[tuple[Estimate, str]]) -> str:
    lines = [
        f"{name if len(shown) > 1 else machine(found)}: "
        + "; ".join(
            f"{p.concurrency} in flight {number(p.tps_gpu)} tok/s per GPU at "
            f"{number(p.tps_user)} per user"
            for p in found.curve
        )
        for found, name in shown
    ]
    return ". ".join(lines)[:1000]
