"""Pictures of a cost: over volume, side by side, and how full the GPUs are over the hours."""

from __future__ import annotations

from collections.abc import Sequence

from bot.command import number
from bot.commands.cost.money import (
    between,
    count,
    distinct,
    fleet,
    seconds,
    usd,
)
from bot.view import Bar, Chart, Reference, Series
from compute.cost.result import CostResult, Curve, GpuChoice
from compute.cost.words import percent, seller

MOST_CURVES = 6
MOST_API_BARS = 5
MOST_GPU_BARS = 4
MOST_ALT = 1000
ALT_POINTS = 5
DAYS_FROM_H = 48  # a longer profile is drawn over days


def pictures(result: CostResult) -> tuple[Chart, ...]:
    """The chart over volume first: Discord shows one, the page all."""
    made = (over_volume(result), side_by_side(result), over_hours(result))
    return tuple(chart for chart in made if chart is not None)


def over_volume(result: CostResult) -> Chart | None:
    """USD a month over requests a day: API lines against the staircase of whole replicas."""
    if not result.curves:
        return None
    shown = _distinct(result.curves)[:MOST_CURVES]
    best = next((curve for curve in shown if curve.kind == "selfhost"), None)
    return Chart(
        title=f"{result.model_name}: what a month costs, by volume",
        x_label="requests per day",
        y_label="USD a month",
        series=tuple(_series(curve, band=curve is best) for curve in shown),
        alt=_alt(result, shown),
        log_x=True,
        log_y=True,
        references=_references(result),
        y_prefix="$",
    )


def _distinct(curves: Sequence[Curve]) -> list[Curve]:
    """One line for one seller's price under several names: the later would hide the first."""
    found: dict[tuple[float, ...], Curve] = {}
    for curve in curves:
        found.setdefault(tuple(curve.ys), curve)
    return list(found.values())


def _series(curve: Curve, *, band: bool) -> Series:
    """The price's band of the best GPU alone: three of them over each other show nothing."""
    return Series(
        name=seller(curve.name) if curve.kind == "api" else curve.name,
        xs=tuple(curve.xs),
        ys=tuple(curve.ys),
        low=tuple(curve.low) if band else (),
        high=tuple(curve.high) if band else (),
        dots=False,
        dashed=curve.kind == "api",
    )


def _references(result: CostResult) -> tuple[Reference, ...]:
    now = result.traffic.requests_per_day
    made = [Reference("x", now, f"you: {count(now)} a day")]
    even = result.breakeven.requests_per_day if result.breakeven else None
    xs = [x for curve in result.curves for x in curve.xs]
    if even is not None and min(xs) <= even <= max(xs):
        made.append(Reference("x", even, f"break-even: {number(even)}"))
    return tuple(made)


def _alt(result: CostResult, shown: Sequence[Curve]) -> str:
    parts = [f"At {count(result.traffic.requests_per_day)} requests a day: {result.headline}"]
    if result.breakeven is not None:
        parts.append(result.breakeven.sentence)
    for curve in shown:
        step = max(len(curve.xs) // (ALT_POINTS - 1), 1)
        points = list(zip(curve.xs, curve.ys, strict=True))[::step]
        told = "; ".join(f"{usd(y)} at {count(float(f'{x:.3g}'))} a day" for x, y in points)
        parts.append(f"{curve.name}: {told}.")
    return " ".join(parts)[:MOST_ALT]


def side_by_side(result: CostResult) -> Chart | None:
    """This volume's month at the cheapest providers and on the cheapest GPUs."""
    bars = sorted((*_api_bars(result), *_gpu_bars(result)), key=lambda bar: bar.value)
    if len(bars) < 2:
        return None
    return Chart(
        title=f"This traffic, a month: {result.model_name}",
        x_label="USD a month",
        y_label="",
        series=(),
        bars=tuple(bars),
        alt="; ".join(f"{bar.name}: {bar.label}" for bar in bars)[:MOST_ALT],
        y_prefix="$",
    )


def _api_bars(result: CostResult) -> list[Bar]:
    return [
        Bar(
            name=seller(offer.provider_name),
            value=offer.usd_per_month or 0.0,
            label=usd(offer.usd_per_month),
            low=offer.range.low if offer.range else None,
            high=offer.range.high if offer.range else None,
        )
        for offer in distinct(result.providers, MOST_API_BARS)
    ]


def _gpu_bars(result: CostResult) -> list[Bar]:
    return [
        Bar(
            name=fleet(choice),
            value=choice.usd_per_month.value,
            label=f"{usd(choice.usd_per_month.value)} ({percent(choice.utilization)} used)",
            group=1,
            low=choice.usd_per_month.low,
            high=choice.usd_per_month.high,
        )
        for choice in result.gpus
        if choice.feasible and choice.usd_per_month is not None
    ][:MOST_GPU_BARS]


def over_hours(result: CostResult) -> Chart | None:
    """Replicas busy in each hour against those paid for: the gap is what idles."""
    choice = next((gpu for gpu in result.gpus if gpu.feasible), None)
    weights = result.traffic.hourly_weights
    if choice is None or len(weights) < 2:
        return None
    hours = len(weights)
    unit, name = (24.0, "day") if hours > DAYS_FROM_H else (1.0, "hour of the day")
    busy = [choice.demand_replicas * weight for weight in (*weights, weights[-1])]
    ends = (0.0, hours / unit)
    paid = [Series("paid for", ends, (choice.mean_replicas,) * 2, dots=False)]
    if choice.mean_replicas < choice.replicas:
        paid = [
            Series("paid for on average", ends, (choice.mean_replicas,) * 2, dots=False),
            Series("at most", ends, (float(choice.replicas),) * 2, dots=False, dashed=True),
        ]
    xs = tuple(hour / unit for hour in range(hours + 1))
    return Chart(
        title=f"{choice.gpu_name}: {percent(choice.utilization)} of what is paid for is used",
        x_label=name,
        y_label="replicas",
        series=(Series("busy", xs, tuple(busy), steps=True, dots=False, fill=True), *paid),
        alt=f"{number(choice.demand_replicas)} replicas busy on average, "
        f"{number(max(busy))} in the busiest hour, {number(choice.mean_replicas)} paid for: "
        f"{percent(choice.utilization)} used. A month: {between(choice.usd_per_month)}.",
        references=_busiest(result, choice),
    )


def _busiest(result: CostResult, choice: GpuChoice) -> tuple[Reference, ...]:
    traffic = result.traffic
    if traffic.peak_bin_s <= 0 or traffic.peak_over_mean <= max(traffic.hourly_weights):
        return ()
    peak = choice.demand_replicas * traffic.peak_over_mean
    return (Reference("y", peak, f"busiest {seconds(traffic.peak_bin_s)}: {number(peak)}"),)
