"""The plain sums everyone does by hand, with units in the names; floats in, float out; Decimals
in, Decimal out. Rent is price times hours, whatever the load: utilization never lowers it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

HOURS_PER_MONTH = 730  # 8,760 / 12
SECONDS_PER_HOUR = 3600
MILLION = 1_000_000

Number = int | float | Decimal


@dataclass(frozen=True)
class Usage:
    """Tokens of one request. Tokens read from and written to a cache are part of input_tokens.

    Raises ``ValueError`` for a negative count or more cache tokens than prompt tokens.
    """

    input_tokens: Number
    output_tokens: Number
    cache_read_tokens: Number = 0
    cache_write_tokens: Number = 0

    def __post_init__(self) -> None:
        counts = (
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
        )
        if any(isinstance(count, bool) or exact(count) < 0 for count in counts):
            raise ValueError("token counts are numbers of at least 0")
        if exact(self.cache_read_tokens) + exact(self.cache_write_tokens) > exact(
            self.input_tokens
        ):
            raise ValueError("cache tokens are part of input_tokens and can't be more of them")


def exact(value: Number) -> Decimal:
    """The decimal number as written: 0.1 is one tenth. Raises ``ValueError`` for no number."""
    found = value if isinstance(value, Decimal) else Decimal(str(value))
    if not found.is_finite():
        raise ValueError("counts, prices and shares are finite numbers")
    return found


def api_usd(
    usage: Usage,
    usd_per_mtok_in: Number,
    usd_per_mtok_out: Number,
    usd_per_mtok_cached: Number | None = None,
) -> Number:
    """USD of ``usage``; cached tokens at their own price, as plain prompt where there is none."""
    cached_price = usd_per_mtok_in if usd_per_mtok_cached is None else usd_per_mtok_cached
    prices = (usd_per_mtok_in, usd_per_mtok_out, cached_price)
    _not_negative(*prices)
    in_price, out_price, hit_price = (exact(price) for price in prices)
    hits = exact(usage.cache_read_tokens)
    fresh = exact(usage.input_tokens) - hits
    total = fresh * in_price + hits * hit_price + exact(usage.output_tokens) * out_price
    return _as_given(total / MILLION, *prices)


def selfhost_usd_per_mtok(
    usd_per_hour: Number, tokens_per_s: Number, utilization: Number = 1.0
) -> Number:
    """USD per million tokens of one replica: its price per hour over the tokens it really makes.

    ``tokens_per_s`` at full load, ``utilization`` in (0, 1]. Raises ``ValueError`` outside.
    """
    _not_negative(usd_per_hour)
    if exact(tokens_per_s) <= 0:
        raise ValueError("tokens_per_s must be more than 0")
    if not 0 < exact(utilization) <= 1:
        raise ValueError("utilization must be more than 0 and at most 1")
    tokens = exact(tokens_per_s) * SECONDS_PER_HOUR * exact(utilization)
    given = (usd_per_hour, tokens_per_s, utilization)
    return _as_given(exact(usd_per_hour) * MILLION / tokens, *given)


def selfhost_month(usd_per_hour: Number, hours: Number = HOURS_PER_MONTH) -> Number:
    """USD of an always-on rental: price times hours, used or not."""
    _not_negative(usd_per_hour, hours)
    return _as_given(exact(usd_per_hour) * exact(hours), usd_per_hour, hours)


def breakeven_mtok(selfhost_usd_per_month: Number, usd_per_mtok: Number | None) -> Number | None:
    """Million tokens a month at which an API costs as much as the fixed month; None = never.

    Never: an API price that is 0 or unknown.
    """
    _not_negative(selfhost_usd_per_month)
    if usd_per_mtok is None or exact(usd_per_mtok) <= 0:
        return None
    ratio = exact(selfhost_usd_per_month) / exact(usd_per_mtok)
    return _as_given(ratio, selfhost_usd_per_month, usd_per_mtok)


def _not_negative(*values: Number) -> None:
    if any(exact(value) < 0 for value in values):
        raise ValueError("prices and hours are numbers of at least 0")


def _as_given(value: Decimal, *given: Number) -> Number:
    return value if any(isinstance(one, Decimal) for one in given) else float(value)
