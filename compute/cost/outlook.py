"""What if: half and twice the volume, other prices, another cache, the months ahead."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from compute.cost.choices import Choice, hosting_of
from compute.cost.load import Load
from compute.cost.offers import Offer, mean_request
from compute.cost.pricebook import start_dates
from compute.cost.replica import Machine
from compute.cost.request import CostRequest
from compute.cost.result import ForecastMonth, PriceChange, Scenario, Side
from compute.cost.words import percent, seller
from compute.cost.words import usd as dollars

CACHE_SHARES = (0.0, 0.25, 0.5, 0.75)
Recached = Callable[[float], Machine | None]  # a cached share -> the best GPU's replicas at it


def winner_of(api_usd: float | None, selfhost_usd: float | None) -> Side:
    """The cheaper side; a side that is not known loses, two such are unknown."""
    if api_usd is None and selfhost_usd is None:
        return "unknown"
    if api_usd is None or (selfhost_usd is not None and selfhost_usd < api_usd):
        return "selfhost"
    return "api"


def sensitivity(
    request: CostRequest,
    load: Load,
    offers: Sequence[Offer],
    best: Choice | None,
    at: dt.datetime,
    recached: Recached,
) -> list[Scenario]:
    """The table: volume x 0.5, 1, 2; the GPU's price low and high; speed; the cached share."""
    api = cheapest_each(offers)
    rows = [
        _at_volume(f"volume x {factor:g}", load.times(factor), api, best)
        for factor in (0.5, 1.0, 2.0)
    ]
    if best is not None and best.hosting is not None:
        rows += _gpu_rows(request, load, api, best)
    rows += [
        _at_cache(request, load, offers, best, at, share, recached)
        for share in CACHE_SHARES
        if abs(share - load.cached_share) > 0.01
    ]
    return rows


def cheapest_each(offers: Sequence[Offer]) -> float | None:
    """USD of a mean request at the cheapest provider; None where no price is known."""
    known = [float(offer.each) for offer in offers if offer.each is not None]
    return min(known, default=None)


def _at_volume(name: str, load: Load, api: float | None, best: Choice | None) -> Scenario:
    fleet = best.hosting.fleet(load.requests_per_day) if best and best.hosting else None
    api_usd = None if api is None else api * load.requests_per_month
    usd = None if fleet is None else fleet.usd
    return Scenario(
        name=name,
        group="volume",
        api_usd=api_usd,
        selfhost_usd=usd,
        utilization=None if fleet is None else fleet.utilization,
        winner=winner_of(api_usd, usd),
    )


def _gpu_rows(
    request: CostRequest, load: Load, api: float | None, best: Choice
) -> Iterator[Scenario]:
    assert best.hosting is not None and best.price is not None
    api_usd = None if api is None else api * load.requests_per_month
    volume = load.requests_per_day
    fleet = best.hosting.fleet(volume)
    if best.price.low < best.price.high:
        for end in ("low", "high"):
            usd = best.usd(volume, end)
            yield Scenario(
                name=f"GPU at {dollars(getattr(best.price, end))}/h",
                group="gpu price",
                api_usd=api_usd,
                selfhost_usd=usd,
                utilization=fleet.utilization,
                winner=winner_of(api_usd, usd),
            )
    for speed in (fleet.served.low, fleet.served.high):
        other = hosting_of(request, load, best.machine, best.price, speed).fleet(volume)
        yield Scenario(
            name=f"throughput x {speed:.2f}",
            group="throughput",
            api_usd=api_usd,
            selfhost_usd=other.usd,
            utilization=other.utilization,
            winner=winner_of(api_usd, other.usd),
        )


def _at_cache(
    request: CostRequest,
    load: Load,
    offers: Sequence[Offer],
    best: Choice | None,
    at: dt.datetime,
    share: float,
    recached: Recached,
) -> Scenario:
    """Both sides with another share of the prompt in the cache."""
    other = replace(load, cached_share=share)
    prices = [_each_at(offer, other, at) for offer in offers]
    api = min((price for price in prices if price is not None), default=None)
    machine = recached(share) if best is not None else None
    fleet = None
    if best is not None and best.price is not None and machine is not None and machine.served:
        fleet = hosting_of(request, load, machine, best.price).fleet(load.requests_per_day)
    api_usd = None if api is None else api * load.requests_per_month
    usd = None if fleet is None else fleet.usd
    return Scenario(
        name=f"{percent(share)} of the prompt cached",
        group="cache",
        api_usd=api_usd,
        selfhost_usd=usd,
        utilization=None if fleet is None else fleet.utilization,
        winner=winner_of(api_usd, usd),
    )


def _each_at(offer: Offer, load: Load, at: dt.datetime) -> float | None:
    if offer.listing is not None:
        each = mean_request(offer.listing, load, load.cached_share, at, offer.processing)
        return None if each is None else float(each)
    price_in, cached, price_out = offer.prices
    if price_in is None or price_out is None:
        return None
    hit = price_in if cached is None else cached
    mean_in = price_in * (1 - load.cached_share) + hit * load.cached_share
    return (mean_in * load.isl + price_out * load.osl) / 1e6


def month_start(start: dt.date, months: int) -> dt.date:
    """The same day ``months`` later (the 28th at most, which every month has)."""
    place = start.year * 12 + start.month - 1 + months
    return dt.date(place // 12, place % 12 + 1, min(start.day, 28) if months else start.day)


def forecast(
    request: CostRequest, load: Load, offers: Sequence[Offer], best: Choice | None, start: dt.date
) -> list[ForecastMonth]:
    """The months ahead, with growth and with every price that starts in them."""
    found = []
    for month in range(request.months):
        day = month_start(start, month)
        volume = load.requests_per_day * (1 + request.growth) ** month
        each = [_each_on(offer, load, day, start) for offer in offers]
        api = min((one for one in each if one is not None), default=None)
        requests = load.requests_per_month / load.requests_per_day * volume
        found.append(
            ForecastMonth(
                month=day.isoformat(),
                requests_per_day=volume,
                api_usd=None if api is None else api * requests,
                selfhost_usd=best.usd(volume) if best is not None and best.hosting else None,
            )
        )
    return found


def _each_on(offer: Offer, load: Load, day: dt.date, start: dt.date) -> float | None:
    """USD of a mean request on that day; asked again only where a price starts in between."""
    if offer.listing is None or not _starts(offer, start, day):
        return None if offer.each is None else float(offer.each)
    moment = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    each = mean_request(offer.listing, load, load.cached_share, moment, offer.processing)
    return None if each is None else float(each)


def _starts(offer: Offer, after: dt.date, until: dt.date) -> list[dt.date]:
    if offer.listing is None:
        return []
    return sorted(day for day in start_dates(offer.listing) if after < day <= until)


def price_changes(
    request: CostRequest, load: Load, offers: Sequence[Offer], start: dt.date
) -> list[PriceChange]:
    """Every price of these offers that starts within the forecast and changes this bill."""
    until = month_start(start, request.months)
    found = []
    for offer in offers:
        for day in _starts(offer, start, until):
            before = _each_on(offer, load, day - dt.timedelta(days=1), start)
            after = _each_on(offer, load, day, start)
            if before is None or after is None or before == after:
                continue
            month = load.requests_per_month
            found.append(
                PriceChange(
                    provider=offer.provider,
                    model=offer.model,
                    date=day.isoformat(),
                    sentence=f"{seller(offer.name)} changes its price of {offer.model} on {day}:"
                    f" {dollars(before * month)} becomes {dollars(after * month)} a month.",
                )
            )
    return sorted(found, key=lambda change: change.date)
