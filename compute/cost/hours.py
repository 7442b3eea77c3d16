"""A day's prices: which are in force when, and what share of the requests each of them bills."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from compute.cost.sums import Number, exact

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

SLOT_MIN = 15  # time zones are whole quarters of an hour
DAY_MIN = 24 * 60


def weights_of(profile: Mapping[str, Any] | None) -> Sequence[Number]:
    """One weight an hour of a record of traffic_profiles.json; one 1 where no hours are published.

    Raises ``ValueError`` for what is no such list.
    """
    found = {} if profile is None else profile
    if not isinstance(found, Mapping):
        raise ValueError("a profile is a record of traffic_profiles.json")
    weights = found.get("hourly_weights") or (1,)
    if isinstance(weights, str) or any(isinstance(weight, str | bool) for weight in weights):
        raise ValueError("hourly_weights are numbers, one an hour")
    if min(exact(weight) for weight in weights) < 0 or not any(weights):
        raise ValueError("hourly_weights are at least 0 and not all 0")
    return tuple(weights)


def day_prices(
    model: ModelInfo,
    context: dict[str, str] | None,
    at: dt.datetime,
    hours: Sequence[Number],
    utc_offset_h: float,
) -> list[tuple[Decimal, ModelPrice]]:
    """The prices in force over the UTC day of ``at``, each with its share of the requests."""
    cuts = price_cuts(model)
    if not cuts:
        return [(Decimal(1), model.get_prices(at, context))]
    by_hour = [Decimal(0)] * 24
    for place, weight in enumerate(hours):
        by_hour[place % 24] += exact(weight)
    if len(hours) < 24:
        by_hour = [Decimal(1)] * 24
    midnight = at.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    edges = sorted({*range(0, DAY_MIN + 1, SLOT_MIN), *cuts})
    found: dict[int, tuple[Decimal, ModelPrice]] = {}
    for start, end in pairwise(edges):
        local = (start + round(utc_offset_h * 60)) % DAY_MIN // 60
        prices = model.get_prices(midnight + dt.timedelta(minutes=start), context)
        share, _ = found.get(id(prices), (Decimal(0), prices))
        if context is not None:  # each call makes a new object then
            found[start] = (by_hour[local] * (end - start), prices)
        else:
            found[id(prices)] = (share + by_hour[local] * (end - start), prices)
    return [pair for pair in found.values() if pair[0] > 0]


def price_cuts(model: ModelInfo) -> set[int]:
    """The minutes of the UTC day at which a price of the model begins or ends."""
    conditions: list[Any] = [*(model.price_variants or ())]
    if isinstance(model.prices, list):
        conditions += model.prices
    cuts: set[int] = set()
    for one in conditions:
        for name in ("start_time", "end_time"):
            time = getattr(one.constraint, name, None)
            if time is not None:
                offset = time.utcoffset() or dt.timedelta()
                minutes = time.hour * 60 + time.minute - int(offset.total_seconds() // 60)
                cuts.add(minutes % DAY_MIN)
    return cuts


def changes_with_hours(model: ModelInfo) -> bool:
    """Whether the price depends on the time of day."""
    return bool(price_cuts(model))
