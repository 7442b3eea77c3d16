"""What a provider charges: one request, or a month of them over the hours of a day.

Tiers belong to single requests, so a month is never priced in one call: each length bucket is
priced as one request and multiplied. A price that is not known is ``None``, never 0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from compute.cost.hours import day_prices, weights_of
from compute.cost.pricebook import BOOKS, Pricebook, Seller
from compute.cost.sums import Number, Usage, exact
from compute.tool import Refused

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

# The request contexts that are ways to process a request; others (routes, searches) are not.
PROCESSING_KEYS = ("processing", "service_tier", "speed")
STANDARD = "standard"
LONG = 60  # digits; a Decimal keeps 28
Buckets = Usage | Sequence[tuple[Number, Usage]]


@dataclass(frozen=True)
class Price:
    """USD of what was asked (None = unknown), where it is from and of which day."""

    usd: Decimal | None
    source: str
    date: str
    provider: str
    model: str
    processing: str = STANDARD
    notes: tuple[str, ...] = ()


def price_request(
    model: str,
    provider: str,
    usage: Usage,
    at: dt.datetime | dt.date,
    processing: str | None = None,
) -> Price:
    """One request at that time (UTC where no zone is given).

    Raises ``Refused`` for a model or provider that is not in the data, with the nearest names,
    and for a ``processing`` (batch, flex, priority ...) that the model is not sold with.
    """
    book = BOOKS.newest()
    seller = find_seller(book, model, provider)
    context = price_context(seller.model, processing, _moment(at))
    usd = request_usd(seller.model.get_prices(_moment(at), context), usage)
    return _price(book, seller, usd, processing)


def price_month(
    model: str,
    provider: str,
    requests: Number,
    usage_each: Buckets,
    at: dt.datetime | dt.date,
    profile: Mapping[str, Any] | None = None,
    processing: str | None = None,
    utc_offset_h: float = 0.0,
) -> Price:
    """``requests`` spread over the day of ``at`` as ``profile`` says, flat without one.

    ``usage_each`` is one usage, or (weight, usage) buckets, so that long requests pay their tier.
    ``profile`` is a record of traffic_profiles.json whose first hour is 0 o'clock at
    ``utc_offset_h``. Raises ``Refused`` as ``price_request`` does.
    """
    book = BOOKS.newest()
    seller = find_seller(book, model, provider)
    hours = weights_of(profile)
    if exact(requests) < 0:
        raise ValueError("requests are a number of at least 0")
    with localcontext(prec=LONG):  # a 24th has no end: what is whole after it must come out whole
        each = month_usd_per_request(
            seller.model, usage_each, _moment(at), hours, processing, utc_offset_h
        )
        usd = None if each is None else each * exact(requests)
    return _price(book, seller, None if usd is None else +usd, processing)


def _price(book: Pricebook, seller: Seller, usd: Decimal | None, processing: str | None) -> Price:
    notes = () if usd is not None else ("the data lists this model without a price",)
    return Price(
        usd=usd,
        source=book.source,
        date=book.date.isoformat(),
        provider=seller.provider.id,
        model=seller.model.id,
        processing=processing or STANDARD,
        notes=notes,
    )


def find_seller(book: Pricebook, model: str, provider: str) -> Seller:
    """The provider's listing of the model. Raises ``Refused`` with the nearest names."""
    sold_by = book.provider(provider)
    if sold_by is None:
        near = book.nearest_providers(provider)
        raise Refused(
            "I don't know a provider of that name.",
            field="provider",
            given=provider[:100],
            nearest=near,
            example=near[0] if near else "openai",
        )
    sellers = book.sellers(model)
    for seller in sellers:
        if seller.provider.id == sold_by.id:
            return seller
    own = book.taken_for(sold_by, model)
    if own is not None:  # who names the provider gets what it sells under that name
        return Seller(sold_by, own)
    others = tuple(seller.provider.id for seller in sellers[:3])
    if others:
        raise Refused(
            f"{sold_by.name} does not list that model; others do.",
            field="provider",
            given=provider[:100],
            nearest=others,
        )
    raise unknown_model(book, model)


def unknown_model(book: Pricebook, model: str) -> Refused:
    """The refusal of a model nobody sells, with the nearest names."""
    near = book.nearest_models(model)
    return Refused(
        "No provider in the price data sells a model of that name.",
        field="model",
        given=model[:100],
        nearest=near,
        example=near[0] if near else "openai/gpt-oss-120b",
    )


def processings(model: ModelInfo, at: dt.datetime) -> dict[str, dict[str, str]]:
    """The ways to process a request that are priced on that day, each with its exact context."""
    found: dict[str, dict[str, str]] = {}
    for variant in model.price_variants or ():
        start = getattr(variant.constraint, "start_date", None)
        if len(variant.when) == 1 and (start is None or start <= at.date()):
            key, value = next(iter(variant.when.items()))
            if key in PROCESSING_KEYS and value != "default":
                found.setdefault(value, {key: value})
    return found


def price_context(
    model: ModelInfo, processing: str | None, at: dt.datetime
) -> dict[str, str] | None:
    """The exact context of ``processing``: any other spelling would silently cost the standard.

    Raises ``Refused`` where the model is not sold that way.
    """
    wanted = (processing or STANDARD).strip().casefold()
    if wanted in (STANDARD, "default"):  # what providers themselves call it
        return None
    offered = processings(model, at)
    if wanted in offered:
        return offered[wanted]
    ways = (STANDARD, *offered)
    raise Refused(
        f"{model.id} has no {wanted[:40]} price; the price data lists {', '.join(ways)}.",
        field="pricing",
        given=wanted[:60],
        nearest=ways[:3],
        example=STANDARD,
    )


def request_usd(prices: ModelPrice, usage: Usage) -> Decimal | None:
    """USD of one request; None where a kind of token it has is not priced."""
    if not _covers(prices, usage):
        return None
    from genai_prices import Usage as Counted

    counted = Counted(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return prices.calc_price(counted)["total_price"]


def _covers(prices: ModelPrice, usage: Usage) -> bool:
    listed = {key for key, value in prices.__dict__.items() if value is not None}
    needed = {"input_mtok": usage.input_tokens, "output_mtok": usage.output_tokens}
    return bool(listed) and all(key in listed for key, count in needed.items() if count > 0)


def month_usd_per_request(
    model: ModelInfo,
    usage_each: Buckets,
    at: dt.datetime,
    hours: Sequence[Number] = (1.0,),
    processing: str | None = None,
    utc_offset_h: float = 0.0,
) -> Decimal | None:
    """Mean USD of one request over a day's hours; ``hours`` are weights, whole days from 0 h."""
    context = price_context(model, processing, at)
    total, weight = Decimal(0), Decimal(0)
    for share, prices in day_prices(model, context, at, hours, utc_offset_h):
        usd = _mean_usd(prices, usage_each)
        if usd is None:
            return None
        total += share * usd
        weight += share
    return total / weight


def _mean_usd(prices: ModelPrice, usage_each: Buckets) -> Decimal | None:
    """Mean USD over the buckets; without tiers one call on the mean lengths says the same."""
    if isinstance(usage_each, Usage):
        return request_usd(prices, usage_each)
    buckets = [(exact(weight), usage) for weight, usage in usage_each]
    total = sum(weight for weight, _ in buckets)
    if not buckets or total <= 0 or any(weight < 0 for weight, _ in buckets):
        raise ValueError("buckets are (weight, Usage) pairs whose weights add up to more than 0")
    if not has_tiers(prices):
        return request_usd(prices, mean_usage(buckets))
    usd = Decimal(0)
    for weight, usage in buckets:
        one = request_usd(prices, usage)
        if one is None:
            return None
        usd += weight * one
    return usd / total


def mean_usage(buckets: Sequence[tuple[Decimal, Usage]]) -> Usage:
    """The mean token counts of weighted usages."""
    total = sum(weight for weight, _ in buckets)

    def mean(name: str) -> Decimal:
        return sum((w * exact(getattr(u, name)) for w, u in buckets), Decimal(0)) / total

    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    return Usage(*(mean(name) for name in names))


def has_tiers(prices: ModelPrice) -> bool:
    """Whether a request's length changes its rate."""
    return any(hasattr(value, "tiers") for value in prices.__dict__.values())


def _moment(at: dt.datetime | dt.date) -> dt.datetime:
    """A time in UTC; of a day, its 0 o'clock. Raises ``ValueError`` for what is neither."""
    if not isinstance(at, dt.date):
        raise ValueError("at is a datetime or a date")
    if not isinstance(at, dt.datetime):
        at = dt.datetime(at.year, at.month, at.day)
    return at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)
