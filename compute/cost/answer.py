"""Both sides, once they are priced, as the answer that every door shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from compute.cost.caveats import assumptions, fixes, warnings
from compute.cost.choices import Choice, gpu_choice
from compute.cost.load import Load, traffic_of
from compute.cost.offers import Offer, provider_cost
from compute.cost.outlook import Recached, forecast, price_changes, sensitivity
from compute.cost.pricebook import Pricebook
from compute.cost.prices import processings
from compute.cost.request import CostRequest
from compute.cost.result import CostResult, GpuChoice, PriceChange, ProviderCost, Side
from compute.cost.sums import HOURS_PER_MONTH
from compute.cost.verdict import close_call, headline, judge, why
from compute.cost.volumes import breakeven_at, breakeven_of, curves_of


@dataclass(frozen=True)
class Compared:
    """The traffic and both sides of it, cheapest first; ``trouble`` says what was left out."""

    request: CostRequest
    load: Load
    at: dt.datetime
    offers: Sequence[Offer]
    choices: Sequence[Choice]
    book: Pricebook
    trouble: str

    @property
    def cheapest(self) -> Offer | None:
        """The cheapest offer whose price is known."""
        return next((offer for offer in self.offers if offer.each is not None), None)

    @property
    def best(self) -> Choice | None:
        """The cheapest GPU that can serve."""
        return next((choice for choice in self.choices if choice.hosting is not None), None)


def answer_of(
    compared: Compared,
    recached: Recached,
    *,
    model_name: str,
    hub_id: str | None,
    maybe_hub_id: str | None,
    gpu_prices_date: str,
) -> CostResult:
    """The whole result; ``maybe_hub_id`` is where the weights of an unknown model may be."""
    request, load, day = compared.request, compared.load, compared.at.date()
    offers, best = compared.offers, compared.best
    providers, gpus = _shown(compared)
    breakeven = breakeven_of(load, compared.cheapest, best, gpus)
    provider = providers[0] if compared.cheapest else None
    gpu = gpus[0] if best else None
    changes = price_changes(request, load, offers, day)
    said = _said(compared, provider, gpu, changes)
    return CostResult(
        model=request.model,
        model_name=model_name,
        hub_id=hub_id,
        **_verdict(compared, provider, gpus),
        traffic=traffic_of(load),
        providers=providers,
        gpus=gpus,
        breakeven=breakeven,
        curves=curves_of(load, offers, compared.choices, breakeven),
        sensitivity=sensitivity(request, load, offers, best, compared.at, recached),
        forecast=forecast(request, load, offers, best, day),
        price_changes=changes,
        assumptions=assumptions(request, load, provider, gpu, _source(best)),
        warnings=said,
        fixes=fixes(request, gpu, _has_batch(compared), maybe_hub_id, provider is not None),
        prices_date=compared.book.date.isoformat(),
        prices_source=compared.book.source,
        gpu_prices_date=gpu_prices_date,
        hours_per_month=HOURS_PER_MONTH,
        start=day.isoformat(),
    )


def _said(
    compared: Compared,
    provider: ProviderCost | None,
    gpu: GpuChoice | None,
    changes: Sequence[PriceChange],
) -> list[str]:
    """What the reader must not miss."""
    close = close_call(judge(provider, gpu), provider, gpu)
    request, load, number_of = compared.request, compared.load, len(compared.choices)
    found = [compared.trouble, close, *warnings(request, load, gpu, changes, number_of)]
    return [sentence for sentence in found if sentence]


def _source(best: Choice | None) -> str:
    """Where the best GPU's specifications are from."""
    return best.machine.source if best is not None else ""


def _shown(compared: Compared) -> tuple[list[ProviderCost], list[GpuChoice]]:
    load, cheapest = compared.load, compared.cheapest
    providers = [provider_cost(offer, load, compared.at) for offer in compared.offers]
    gpus = [
        gpu_choice(compared.request, load, choice, breakeven_at(load, cheapest, choice))
        for choice in compared.choices
    ]
    return providers, gpus


class Words(TypedDict):
    """The fields that say who wins."""

    headline: str
    why: str
    winner: Side
    winner_name: str
    winner_usd: float | None
    winner_ratio: float | None
    clear: bool


def _verdict(compared: Compared, provider: ProviderCost | None, gpus: Sequence[GpuChoice]) -> Words:
    gpu = gpus[0] if compared.best is not None else None
    found = judge(provider, gpu)
    return {
        "headline": headline(found, provider, gpu, gpus),
        "why": "" if found.winner == "unknown" else why(compared.load, gpu),
        "winner": found.winner,
        "winner_name": found.name,
        "winner_usd": found.usd,
        "winner_ratio": found.ratio,
        "clear": found.clear,
    }


def _has_batch(compared: Compared) -> bool:
    listings = [offer.listing for offer in compared.offers if offer.listing is not None]
    return any("batch" in processings(listing, compared.at) for listing in listings)
