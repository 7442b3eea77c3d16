"""What a GPU-hour costs: a dated snapshot of listed prices, summed up per GPU as a range."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from content.tables import CATALOGUE, Row, read_rows

COLUMNS = (
    "gpu_key",
    "provider",
    "region",
    "instance",
    "gpu",
    "vendor",
    "vram_gb",
    "interconnect",
    "gpu_count",
    "pricing",
    "tier",
    "price_usd_per_gpu_hour",
    "suspect",
    "date",
    "source",
    "commit",
    "licence",
    "url",
)
PRICINGS = ("on-demand", "spot")
STALE_DAYS = 30
FILE = "gpu_prices.csv"


@dataclass(frozen=True)
class GpuOffer:
    """One listing, USD per GPU-hour. ``gpu_key`` is empty where it is no GPU of the catalogue,
    ends in ``?`` where the seller does not say SXM or PCIe; ``date`` None where none is known."""

    gpu_key: str
    provider: str
    gpu: str
    vram_gb: float
    pricing: str
    tier: str
    usd_per_gpu_hour: float
    suspect: str
    date: dt.date | None
    source: str
    licence: str
    url: str

    @property
    def usable(self) -> bool:
        """Whether we know what is sold and believe the price."""
        return bool(self.gpu_key) and "?" not in self.gpu_key and not self.suspect


@dataclass(frozen=True)
class GpuPriceRange:
    """All believable listings of one GPU and kind of rent, USD per GPU-hour."""

    gpu_key: str
    pricing: str
    offers: tuple[GpuOffer, ...]  # cheapest first, at least one

    @property
    def low(self) -> float:
        """The cheapest listing."""
        return self.offers[0].usd_per_gpu_hour

    @property
    def median(self) -> float:
        """The middle one."""
        return median(offer.usd_per_gpu_hour for offer in self.offers)

    @property
    def high(self) -> float:
        """The dearest."""
        return self.offers[-1].usd_per_gpu_hour

    @property
    def dates(self) -> tuple[dt.date, ...]:
        """The days the listings were read, oldest first; undated ones are left out."""
        return tuple(sorted(offer.date for offer in self.offers if offer.date is not None))

    def stale(self, today: dt.date) -> bool:
        """Whether any listing is older than ``STALE_DAYS`` or has no date."""
        dates = self.dates
        undated = len(dates) < len(self.offers)
        return undated or (today - dates[0]).days > STALE_DAYS


class GpuPrices:
    """The snapshot, asked per GPU."""

    def __init__(self, offers: Sequence[GpuOffer]) -> None:
        self._offers = tuple(offers)
        self._ranges: dict[tuple[str, str], GpuPriceRange] = {}
        groups: dict[tuple[str, str], list[GpuOffer]] = {}
        for offer in _newest_of_each(self._offers):
            groups.setdefault((offer.gpu_key, offer.pricing), []).append(offer)
        for (key, pricing), found in groups.items():
            cheapest_first = tuple(sorted(found, key=lambda offer: offer.usd_per_gpu_hour))
            self._ranges[key, pricing] = GpuPriceRange(key, pricing, cheapest_first)

    def __iter__(self) -> Iterator[GpuOffer]:
        return iter(self._offers)

    def __len__(self) -> int:
        return len(self._offers)

    def range(self, gpu_key: str, pricing: str = "on-demand") -> GpuPriceRange | None:
        """The range of that GPU, or nothing where nobody in the snapshot lists it."""
        return self._ranges.get((gpu_key, pricing))

    def priced(self, pricing: str = "on-demand") -> list[str]:
        """The keys of all GPUs with a price, most listings first."""
        found = [r for (_, kind), r in self._ranges.items() if kind == pricing]
        return [r.gpu_key for r in sorted(found, key=lambda r: -len(r.offers))]


def _newest_of_each(offers: Sequence[GpuOffer]) -> list[GpuOffer]:
    """The usable offers; what two sources read of one seller counts once, as the newer has it."""
    newest: dict[tuple[str, str, str], dt.date] = {}
    for offer in offers:
        what = (offer.provider, offer.gpu_key, offer.pricing)
        newest[what] = max(newest.get(what, dt.date.min), offer.date or dt.date.min)
    return [
        offer
        for offer in offers
        if offer.usable
        and (offer.date or dt.date.min) == newest[offer.provider, offer.gpu_key, offer.pricing]
    ]


def load_gpu_prices(path: Path = CATALOGUE / FILE) -> GpuPrices:
    """The snapshot. Raises ``CatalogueError`` for the first cell that is wrong."""
    return GpuPrices([_offer(row) for row in read_rows(path, COLUMNS)])


def _offer(row: Row) -> GpuOffer:
    pricing = row.text("pricing")
    if pricing not in PRICINGS:
        raise row.wrong("pricing", " or ".join(PRICINGS))
    row.count("gpu_count", 1)
    return GpuOffer(
        gpu_key=row.maybe("gpu_key"),
        provider=row.text("provider"),
        gpu=row.text("gpu"),
        vram_gb=row.number_above("vram_gb"),
        pricing=pricing,
        tier=row.text("tier"),
        usd_per_gpu_hour=row.number_above("price_usd_per_gpu_hour"),
        suspect=row.maybe("suspect"),
        date=_date(row),
        source=row.text("source"),
        licence=row.text("licence"),
        url=row.maybe("url"),
    )


def _date(row: Row) -> dt.date | None:
    text = row.maybe("date")
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise row.wrong("date", "a day as YYYY-MM-DD, or empty") from None
