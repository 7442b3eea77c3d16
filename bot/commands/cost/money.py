"""How amounts, shares and machines of the Cost Calculator are written."""

from __future__ import annotations

from collections.abc import Iterable

from bot.command import number
from compute.cost import words
from compute.cost.result import GpuChoice, ProviderCost, Range

UNKNOWN = "unknown"


def usd(value: float | None) -> str:
    """``$7,904``, ``$0.83``, ``$0.0042``; what is not known is never a number."""
    return UNKNOWN if value is None else words.usd(value)


def amount(value: float | None) -> str:
    """As ``usd``, for tables that say the currency above: three columns more for the names."""
    return usd(value).removeprefix("$")


def between(span: Range | None) -> str:
    """``$17,900-$24,000``; one figure where both ends read the same."""
    return UNKNOWN if span is None else words.span(span.low, span.high)


def count(value: float) -> str:
    """``200,000``; a broken number with three digits."""
    return f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else number(value)


def several(size: int, noun: str) -> str:
    """``1 GPU``, ``8 GPUs``."""
    return f"{size:,} {noun}" if size == 1 else f"{size:,} {noun}s"


def distinct(offers: Iterable[ProviderCost], most: int) -> list[ProviderCost]:
    """The first ``most`` offers; one seller's price under another's name counts once."""
    found: dict[float, ProviderCost] = {}
    for offer in offers:
        if offer.usd_per_month is not None:
            found.setdefault(offer.usd_per_month, offer)
    return list(found.values())[:most]


def fleet(choice: GpuChoice, at_most: str = "up to ") -> str:
    """All GPUs of the fleet: ``16x H200 SXM``; what follows the hours ``up to 16x``."""
    most = at_most if choice.mean_replicas < choice.replicas else ""
    return f"{most}{choice.gpus:,}x {choice.gpu_name}"


def replica(choice: GpuChoice) -> str:
    """One replica's GPUs: ``8x H200 SXM``, or just the GPU's name."""
    size = choice.n_gpus_per_replica
    return choice.gpu_name if size == 1 else f"{size}x {choice.gpu_name}"


def seconds(count: int) -> str:
    """A bin's length: ``1 min``, ``10 s``, ``1 h``."""
    for size, unit in ((3600, "h"), (60, "min")):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} s"
