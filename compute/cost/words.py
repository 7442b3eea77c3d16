"""How the Cost Calculator writes amounts, shares and names in its sentences."""

from __future__ import annotations

import math
import re

CENTS_TO = 100  # dollars from which nobody reads the cents
TINY_USD, TINY_SHARE = 1e-6, 0.001
RESOLD = re.compile(r"(.+) \((.+)\)")


def usd(value: float) -> str:
    """Dollars with as many digits as matter: $7,900; $12.30; $0.0042; never $0.00 of something."""
    if value >= CENTS_TO or value == 0:
        return f"${value:,.0f}"
    if value >= 0.1:
        return f"${value:,.2f}"
    return f"${plain(value)}" if value >= TINY_USD else f"under ${TINY_USD:.6f}"


def span(low: float, high: float) -> str:
    """``$876-$4,073``; one figure where both ends read the same."""
    return "-".join(dict.fromkeys((usd(low), usd(high))))


def percent(share: float) -> str:
    """``31 %``, ``8.9 %``; what rounds to nothing is ``under 0.1 %``, because it is not 0."""
    if 0 < share < TINY_SHARE:
        return "under 0.1 %"
    return f"{plain(share * 100)} %" if share < 0.995 else f"{share * 100:.0f} %"


def plain(value: float) -> str:
    """Two significant figures without an exponent: 0.0042; 31."""
    if value == 0:
        return "0"
    places = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{round(value, places):,.{places}f}"


def seller(name: str) -> str:
    """A provider's name, short: ``HuggingFace (novita)`` is ``novita via HF``."""
    found = RESOLD.fullmatch(name)
    return name if found is None else f"{found[2]} via {found[1].replace('HuggingFace', 'HF')}"


def sentence(text: str) -> str:
    """``text`` with a capital: your price stays cheaper -> Your price stays cheaper."""
    return text[:1].upper() + text[1:]
