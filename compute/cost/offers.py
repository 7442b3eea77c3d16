"""What every provider of the model asks for this traffic, cheapest first."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from compute.cost.hours import changes_with_hours
from compute.cost.load import Load
from compute.cost.pricebook import Pricebook, Seller, sold_as
from compute.cost.prices import (
    STANDARD,
    find_seller,
    has_tiers,
    month_usd_per_request,
    price_context,
    processings,
)
from compute.cost.request import CostRequest
from compute.cost.result import ProviderCost, Range
from compute.cost.sums import Usage, api_usd, exact
from compute.tool import Refused

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

OWN = "your price"
RENTS = ("on-demand", "spot")
# They resell models to the users of one product, not as an API for a service.
NO_API = ("github-copilot", "cursor")


@dataclass(frozen=True)
class Offer:
    """One listing under this traffic: USD of a mean request now, None where unknown.

    ``uncached`` is the same with no token read from a cache. Linear in the number of requests.
    """

    provider: str
    name: str
    model: str
    model_name: str
    processing: str
    each: Decimal | None
    uncached: Decimal | None
    prices: tuple[float | None, float | None, float | None]  # USD/Mtok in, cached, out
    listing: ModelInfo | None
    source: str
    date: str
    url: str
    notes: tuple[str, ...]

    def usd(self, requests: float) -> float | None:
        """USD of that many requests."""
        return None if self.each is None else float(self.each) * requests


def parse_pricing(text: str) -> tuple[str, str]:
    """(how GPUs are rented, how requests are processed) of a text like "spot batch".

    The second is ``standard`` or a word of the price data. Raises ``Refused`` for one too many.
    """
    rent, processing = RENTS[0], STANDARD
    plain = re.sub(r"on[ _]?demand", RENTS[0], text.casefold())
    for word in re.split(r"[\s,;+/]+", plain.strip()):
        if word in RENTS:
            rent = word
        elif word in ("", STANDARD, "default"):  # what an API is without another word
            continue
        elif processing in (STANDARD, word):
            processing = word
        else:
            raise Refused(
                "Requests are processed one way at a time: standard, batch, flex or priority.",
                field="pricing",
                given=text,
                nearest=(processing, word[:40]),
                example="spot batch",
            )
    return rent, processing


def sellers_of(request: CostRequest, book: Pricebook) -> list[Seller]:
    """The listings to compare; none where nobody sells it. Raises ``Refused`` for ``provider``."""
    if not request.provider:
        sellers = book.sellers(request.model)
        return [seller for seller in sellers if seller.provider.id not in NO_API]
    names = [name.strip() for name in request.provider.split(",") if name.strip()]
    return [find_seller(book, request.model, name) for name in names]


def offers_of(
    request: CostRequest, load: Load, book: Pricebook, sellers: Sequence[Seller], at: dt.datetime
) -> list[Offer]:
    """Every offer, cheapest first, unknown last. Raises ``Refused`` where nobody processes so."""
    _, processing = parse_pricing(request.pricing)
    offered = [processing in (STANDARD, *processings(s.model, at)) for s in sellers]
    if sellers and not any(offered):
        price_context(_widest(sellers, at).model, processing, at)  # refuses, naming what there is
    offers = [
        _offer(request, seller, load, book, at, processing if there else STANDARD, processing)
        for seller, there in zip(sellers, offered, strict=True)
    ]
    own = _own_offer(request, load)
    if own is not None:
        offers.append(own)
    return sorted(offers, key=lambda offer: (offer.each is None, offer.each or Decimal(0)))


def _widest(sellers: Sequence[Seller], at: dt.datetime) -> Seller:
    return max(sellers, key=lambda seller: len(processings(seller.model, at)))


def _offer(
    request: CostRequest,
    seller: Seller,
    load: Load,
    book: Pricebook,
    at: dt.datetime,
    processing: str,
    wanted: str,
) -> Offer:
    model = seller.model
    prices = model.get_prices(at, price_context(model, processing, at))
    notes = _notes(prices, seller, load)
    if processing != wanted:
        notes.insert(0, f"no {wanted} price; this is standard")
    if not sold_as(seller, request.model):
        notes.insert(0, f"this is {model.id}, which it takes {request.model[:60]} for")
    return Offer(
        provider=seller.provider.id,
        name=seller.provider.name,
        model=model.id,
        model_name=model.name or model.id,
        processing=processing,
        each=mean_request(model, load, load.cached_share, at, processing),
        uncached=mean_request(model, load, 0.0, at, processing),
        prices=(_base(prices, "input"), _base(prices, "cache_read"), _base(prices, "output")),
        listing=model,
        source=book.source,
        date=book.date.isoformat(),
        url=(seller.provider.pricing_urls or [""])[0],
        notes=tuple(notes),
    )


def mean_request(
    model: ModelInfo, load: Load, cached_share: float, at: dt.datetime, processing: str
) -> Decimal | None:
    """USD of a mean request of this traffic."""
    return month_usd_per_request(
        model, load.usages(cached_share), at, load.profile.weights, processing, load.utc_offset_h
    )


def _base(prices: ModelPrice, kind: str) -> float | None:
    value = prices.__dict__.get(f"{kind}_mtok")
    value = getattr(value, "base", value)
    return None if value is None else float(value)


def _notes(prices: ModelPrice, seller: Seller, load: Load) -> list[str]:
    notes = []
    if not any(value is not None for value in prices.__dict__.values()):
        notes.append("listed without a price: unknown, not free")
    if has_tiers(prices):
        starts = {tier.start for v in prices.__dict__.values() for tier in getattr(v, "tiers", ())}
        notes.append(f"a request of more than {min(starts):,} prompt tokens costs more as a whole")
    if changes_with_hours(seller.model):
        notes.append("price changes with the hour (UTC)")
    if load.cached_share and _base(prices, "cache_read") is None:
        notes.append("no cache price: cached tokens are billed as plain prompt")
    if seller.model.deprecated:
        notes.append("deprecated by the provider")
    return notes


def _own_offer(request: CostRequest, load: Load) -> Offer | None:
    """The price typed in, where both sides of it are there. Raises ``Refused`` for half of one."""
    price_in, price_out = request.api_usd_per_mtok_in, request.api_usd_per_mtok_out
    if price_in is None and price_out is None and request.api_usd_per_mtok_cached is None:
        return None
    if price_in is None or price_out is None:
        missing = "api_usd_per_mtok_in" if price_in is None else "api_usd_per_mtok_out"
        raise Refused(
            "Your own API price needs both api_in and api_out, USD per million tokens.",
            field=missing,
            example="0.5",
        )
    cached = request.api_usd_per_mtok_cached
    hits = Usage(load.isl, load.osl, cache_read_tokens=load.isl * load.cached_share)
    return Offer(
        provider=OWN,
        name=OWN,
        model=request.model,
        model_name=request.model,
        processing=STANDARD,
        each=exact(api_usd(hits, price_in, price_out, cached)),
        uncached=exact(api_usd(Usage(load.isl, load.osl), price_in, price_out)),
        prices=(price_in, cached, price_out),
        listing=None,
        source="typed in",
        date="",
        url="",
        notes=(),
    )


def provider_cost(offer: Offer, load: Load, at: dt.datetime) -> ProviderCost:
    """The offer as the answer shows it."""
    usd = offer.usd(load.requests_per_month)
    high = usd if offer.uncached is None else float(offer.uncached) * load.requests_per_month
    listing = offer.listing
    return ProviderCost(
        provider=offer.provider,
        provider_name=offer.name,
        model=offer.model,
        model_name=offer.model_name,
        processing=offer.processing,
        usd_per_month=usd,
        usd_per_mtok=None if usd is None else usd / load.mtok_per_month,
        range=None if usd is None else Range(value=usd, low=usd, high=max(usd, high or usd)),
        price_in=offer.prices[0],
        price_cached=offer.prices[1],
        price_out=offer.prices[2],
        price_date=offer.date,
        price_source=offer.source,
        pricing_url=offer.url,
        tiered=any("costs more as a whole" in note for note in offer.notes),
        time_of_day=listing is not None and changes_with_hours(listing),
        processings=[STANDARD, *(processings(listing, at) if listing else ())],
        notes=list(offer.notes),
    )
