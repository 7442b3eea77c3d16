"""The answer to /cost: buy or host, for how much, how full the GPUs are, and from which volume."""

from __future__ import annotations

import re

from bot.command import number
from bot.commands.cost.charts import pictures
from bot.commands.cost.money import (
    UNKNOWN,
    amount,
    count,
    distinct,
    fleet,
    replica,
    seconds,
    several,
    usd,
)
from bot.view import Block, Bold, Facts, Heading, Note, Table, Text, View, Words
from compute.cost.request import CostRequest
from compute.cost.result import CostResult, GpuChoice, GpuPrice, ProviderCost
from compute.cost.words import TINY_SHARE, percent, seller

MOST_ROWS = 3  # of each side
MOST_WARNINGS = 4
BRACKETS = re.compile(r"( \([^()]*\d[^()]*\))")  # figures, not part of a name


def show(request: CostRequest, result: CostResult) -> View:
    """The answer first, then why, then the numbers and where they are from."""
    best = best_gpu(result)
    blocks: list[Block] = [Heading(_headline(result.headline))]
    if result.why:
        blocks.append(Text((result.why,)))
    if result.breakeven is not None:
        blocks.append(Text((result.breakeven.sentence,)))
    blocks += _typed(best)
    blocks.append(_facts(result, best))
    blocks += _table(result)
    blocks += _impossible(result, best)
    blocks += pictures(result)
    blocks += [Note((warning,)) for warning in result.warnings[:MOST_WARNINGS]]
    blocks.append(Note((_sources(result, best),)))
    return View(tuple(blocks))


def best_gpu(result: CostResult) -> GpuChoice | None:
    """The cheapest choice that can serve this traffic."""
    return next((choice for choice in result.gpus if choice.feasible), None)


def _headline(line: str) -> Words:
    """The answer in bold, what stands in brackets not."""
    parts = BRACKETS.split(line.removesuffix("."))
    return tuple(part if place % 2 else Bold(part) for place, part in enumerate(parts) if part)


def _typed(best: GpuChoice | None) -> list[Block]:
    """A typed-in utilization only ever beside the derived one."""
    if best is None or best.typed_utilization is None:
        return []
    typed, derived = percent(best.typed_utilization), percent(best.utilization)
    words = (
        f"At the {typed} you typed: {usd(best.typed_usd_per_month)} a month; derived: {derived}."
    )
    return [Text((words,))]


def _facts(result: CostResult, best: GpuChoice | None) -> Facts:
    traffic = result.traffic
    rows = [
        ("model", " ".join((result.model_name, best.weight_dtype if best else "")).strip()),
        ("requests", f"{count(traffic.requests_per_day)} a day"),
        ("tokens", f"{traffic.isl:,.0f} in / {traffic.osl:,.0f} out"),
    ]
    if traffic.cached_share > 0:
        rows.append(("cached", f"{percent(traffic.cached_share)} of the input"))
    if best is not None:
        mean = best.mean_replicas
        size = several(best.replicas, "replica")
        if mean < best.replicas:
            size = f"{best.replicas:,} (mean {number(mean)})"
        rows += [
            ("demand D", _demand(best.demand_replicas)),
            ("fleet N", size),
            ("replica", replica(best)),
            ("used D/N", percent(best.utilization)),
        ]
    peak = number(traffic.peak_over_mean)
    fine = f" ({seconds(traffic.peak_bin_s)})" if traffic.peak_bin_s else ""
    return Facts((*rows, ("peak / mean", f"{peak}{fine}")))


def _demand(replicas: float) -> str:
    return f"{number(replicas)} replicas" if replicas >= TINY_SHARE else "under 0.001 replicas"


def _table(result: CostResult) -> list[Block]:
    priced = distinct(result.providers, MOST_ROWS)
    rows = [_offer_row(offer) for offer in priced or result.providers[:MOST_ROWS]]
    rows += [
        _gpu_row(choice)
        for choice in result.gpus
        if choice.feasible and choice.usd_per_month is not None
    ][:MOST_ROWS]
    return (
        [Table(("", "month", "Mtok"), tuple(rows), title="USD a month, per million tokens")]
        if rows
        else []
    )


def _offer_row(offer: ProviderCost) -> tuple[str, ...]:
    return (seller(offer.provider_name), amount(offer.usd_per_month), amount(offer.usd_per_mtok))


def _gpu_row(choice: GpuChoice) -> tuple[str, ...]:
    month, mtok = choice.usd_per_month, choice.usd_per_mtok
    return (
        fleet(choice, "\u2264"),
        amount(month.value if month else None),
        amount(mtok.value if mtok else None),
    )


def _impossible(result: CostResult, best: GpuChoice | None) -> list[Block]:
    """Why a GPU that was asked for is not in the table; all of them where none can serve."""
    out = [choice for choice in result.gpus if not choice.feasible]
    return [Note((f"{c.gpu_name}: {c.sentence}",)) for c in out[: MOST_ROWS if best is None else 1]]


def _sources(result: CostResult, best: GpuChoice | None) -> str:
    parts = []
    if result.providers:
        parts.append(f"API prices: {result.prices_source} {result.prices_date}")
    if best is not None and best.price is not None:
        parts.append(_gpu_source(best.price))
    if any(offer.time_of_day for offer in result.providers[:MOST_ROWS]):
        parts.append("hour-of-day prices included")
    return " · ".join(parts) or f"prices: {UNKNOWN}"


def _gpu_source(price: GpuPrice) -> str:
    hourly = f"${price.low:,.2f}-{price.high:,.2f}" if price.low < price.high else (
        f"${price.median:,.2f}"
    )  # fmt: skip
    if price.pricing == "bought":
        return f"GPU: bought, {hourly}/h with power and hosting"
    if price.pricing == "own":
        return f"GPU: {hourly}/h, {price.source}"
    dates = " to ".join(dict.fromkeys(date for date in (price.oldest, price.newest) if date))
    offers = several(price.offers, f"{price.pricing} offer")
    return f"GPUs: {offers}, {dates or 'no date'}, {hourly}/h"
