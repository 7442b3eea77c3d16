"""Provider prices: every trap of the price data is a test."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import Usage as Counted
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.cost import Usage, price_month, price_request
from compute.cost.pricebook import BOOKS, start_dates
from compute.cost.prices import has_tiers
from compute.tool import Refused

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
USAGE = Usage(1200, 300, cache_read_tokens=400)


def at_hour(hour: int) -> dt.datetime:
    return NOW.replace(hour=hour)


def test_deepseeks_disclosed_day_is_repriced_from_the_history() -> None:
    usage = Usage(608 * 10**9, 168 * 10**9, cache_read_tokens=342 * 10**9)
    price = price_request("deepseek-reasoner", "deepseek", usage, dt.datetime(2025, 2, 28, 12))
    assert price.usd == Decimal(562_100)


def test_every_price_says_where_it_is_from_and_when() -> None:
    price = price_request("gpt-5", "openai", USAGE, NOW)
    assert price.usd is not None
    assert price.usd > 0
    assert price.source.startswith("genai-prices 0.2.")
    assert dt.date.fromisoformat(price.date) <= NOW.date()
    assert (price.provider, price.model) == ("openai", "gpt-5")


def test_a_flat_deepseek_month_is_17_hours_off_peak_and_7_at_the_peak() -> None:
    off = price_request("deepseek-v4-pro", "deepseek", USAGE, at_hour(12)).usd
    peak = price_request("deepseek-v4-pro", "deepseek", USAGE, at_hour(2)).usd
    assert off is not None
    assert peak is not None
    assert peak == 2 * off
    month = price_month("deepseek-v4-pro", "deepseek", 1000, USAGE, NOW).usd
    assert month == 1000 * (17 * off + 7 * peak) / 24


@pytest.mark.parametrize("requests", [1, 7, 24_000, 12_345_678, 6_083_333.5])
@pytest.mark.parametrize("model", ["deepseek-v4-pro", "deepseek-v4-flash"])
def test_a_flat_month_is_exact_for_any_number_of_requests(model: str, requests: float) -> None:
    off = price_request(model, "deepseek", USAGE, at_hour(12)).usd
    peak = price_request(model, "deepseek", USAGE, at_hour(6)).usd
    assert off is not None and peak is not None and peak > off
    exact = Fraction(str(requests)) * (17 * Fraction(off) + 7 * Fraction(peak)) / 24
    for profile in (None, {"hourly_weights": [1.0] * 24}, {"hourly_weights": [0.5] * 168}):
        for day in (NOW, NOW.replace(hour=2), dt.date(2026, 11, 23), dt.datetime(2026, 11, 23, 9)):
            month = price_month(model, "deepseek", requests, USAGE, day, profile).usd
            assert month is not None
            assert month == Decimal(exact.numerator) / Decimal(exact.denominator)


def test_the_hours_of_the_traffic_and_its_time_zone_decide_the_month() -> None:
    night = {"hourly_weights": [1 if 1 <= h < 4 else 0 for h in range(24)]}
    peak = price_request("deepseek-v4-pro", "deepseek", USAGE, at_hour(2)).usd
    off = price_request("deepseek-v4-pro", "deepseek", USAGE, at_hour(12)).usd
    assert off is not None
    assert peak is not None

    def month(offset: float) -> Decimal | None:
        return price_month(
            "deepseek-v4-pro", "deepseek", 1, USAGE, NOW, night, utc_offset_h=offset
        ).usd

    assert month(0) == peak
    assert month(8) == off  # 1 to 4 o'clock in Beijing is 17 to 20 UTC
    assert month(-5.5) == peak  # 6:30 to 9:30 UTC, within the peak of 6 to 10
    assert month(-8.5) == pytest.approx((peak + 5 * off) / 6)  # 9:30 to 12:30: half an hour of it


def test_a_week_of_weights_counts_by_the_hour_of_the_day() -> None:
    week = {"hourly_weights": [1.0] * 168}
    flat = price_month("deepseek-v4-pro", "deepseek", 7, USAGE, NOW)
    assert price_month("deepseek-v4-pro", "deepseek", 7, USAGE, NOW, week).usd == flat.usd


def test_a_tier_moves_the_whole_request_one_token_over_its_limit() -> None:
    def usd(tokens: int) -> Decimal:
        found = price_request("claude-sonnet-4-5", "anthropic", Usage(tokens, 0), NOW).usd
        assert found is not None
        return found

    assert usd(200_000) == Decimal("0.6")  # $3 per million up to the limit
    assert usd(200_001) == Decimal("200001") * 6 / 1_000_000


def test_a_month_is_priced_by_its_requests_and_not_by_its_total() -> None:
    short, long = Usage(10_000, 500), Usage(300_000, 500)
    each = [price_request("claude-sonnet-4-5", "anthropic", u, NOW).usd for u in (short, long)]
    assert each[0] is not None
    assert each[1] is not None
    month = price_month("claude-sonnet-4-5", "anthropic", 1000, short, NOW)
    assert month.usd == 1000 * each[0]
    buckets = [(3, short), (1, long)]
    mixed = price_month("claude-sonnet-4-5", "anthropic", 1000, buckets, NOW)
    assert mixed.usd == 1000 * (3 * each[0] + each[1]) / 4


@pytest.mark.parametrize("spelling", ["batch", "Batch", " BATCH "])
def test_batch_is_half_the_price_however_it_is_spelled(spelling: str) -> None:
    standard = price_request("gpt-5", "openai", USAGE, NOW).usd
    batch = price_request("gpt-5", "openai", USAGE, NOW, spelling).usd
    assert standard is not None
    assert batch == standard / 2
    assert price_request("gpt-5", "openai", USAGE, NOW, "default").usd == standard


def test_tiers_of_service_have_their_own_prices() -> None:
    standard = price_request("gpt-5", "openai", USAGE, NOW).usd
    flex = price_request("gpt-5", "openai", USAGE, NOW, "flex").usd
    priority = price_request("gpt-5", "openai", USAGE, NOW, "priority").usd
    assert flex is not None
    assert standard is not None
    assert priority is not None
    assert flex < standard < priority


def test_a_tier_that_is_not_sold_is_refused_and_not_billed_as_standard() -> None:
    with pytest.raises(Refused, match="no batch price") as refused:
        price_request("deepseek-v4-pro", "deepseek", USAGE, NOW, "batch")
    assert refused.value.refusal.nearest == ("standard",)
    with pytest.raises(Refused, match="no service_tier price"):
        price_month("gpt-5", "openai", 1, USAGE, NOW, processing="service_tier")


def test_an_unpriced_entry_is_unknown_and_never_free() -> None:
    unpriced = [
        (provider.id, model.id)
        for provider in BOOKS.newest().providers
        for model in provider.models
        if not isinstance(model.prices, list) and not model.prices.__dict__
    ]
    assert len(unpriced) > 100
    for provider, model in unpriced[::20]:
        price = price_request(model, provider, USAGE, NOW)
        assert price.usd is None
        assert "without a price" in price.notes[0]


def test_output_that_has_no_price_is_unknown_and_not_free() -> None:
    name = ("text-embedding-3-small", "openai")
    assert price_request(*name, Usage(1_000_000, 0), NOW).usd == Decimal("0.02")
    assert price_request(*name, Usage(1_000_000, 10), NOW).usd is None


def test_an_announced_price_counts_from_its_day() -> None:
    before = price_request("gemini-3.8-flash", "google", USAGE, dt.date(2026, 12, 31)).usd
    after = price_request("gemini-3.8-flash", "google", USAGE, dt.date(2027, 1, 1)).usd
    assert before is not None
    assert after == 2 * before


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(Refused) as refused:
        price_request("deepseek-v4", "deepseek", USAGE, NOW)
    assert any("deepseek-v4" in name for name in refused.value.refusal.nearest)
    with pytest.raises(Refused) as refused:
        price_request("gpt-5", "opnai", USAGE, NOW)
    assert "openai" in refused.value.refusal.nearest
    with pytest.raises(Refused, match="others do") as refused:
        price_request("gpt-5", "anthropic", USAGE, NOW)
    assert "openai" in refused.value.refusal.nearest


def test_buckets_without_weight_are_refused() -> None:
    for bad in ([], [(0, USAGE)], [(-1, USAGE), (2, USAGE)]):
        with pytest.raises(ValueError, match="buckets"):
            price_month("gpt-5", "openai", 1, bad, NOW)


SOLD = [
    (seller.provider.id, name)
    for name in ("openai/gpt-oss-120b", "deepseek-v4-pro", "gpt-5", "claude-sonnet-4-5")
    for seller in BOOKS.newest().sellers(name)
]


@settings(max_examples=60)
@given(
    sold=st.sampled_from(SOLD),
    tokens=st.integers(0, 150_000),
    output=st.integers(0, 20_000),
    cached=st.floats(0, 1),
    more=st.integers(0, 20_000),
)
def test_an_api_never_charges_less_for_more_tokens(
    sold: tuple[str, str], tokens: int, output: int, cached: float, more: int
) -> None:
    provider, model = sold
    hits = int(tokens * cached)

    def usd(extra_in: int, extra_out: int) -> Decimal:
        usage = Usage(tokens + extra_in, output + extra_out, cache_read_tokens=hits)
        found = price_request(model, provider, usage, NOW).usd
        assert found is not None
        return found

    assert usd(more, 0) >= usd(0, 0)
    assert usd(0, more) >= usd(0, 0)


@pytest.mark.slow
def test_every_listing_costs_what_the_library_says_it_costs() -> None:
    compared = 0
    for provider in BOOKS.newest().providers:
        for model in provider.models[::5]:
            price = price_request(model.id, provider.id, USAGE, NOW)
            assert price.model == model.id
            counted = Counted(input_tokens=1200, output_tokens=300, cache_read_tokens=400)
            said = model.calc_price(counted, provider, genai_request_timestamp=NOW).total_price
            assert price.usd is None or price.usd == said > 0
            compared += price.usd is not None
    assert compared > 300


def test_the_data_still_has_what_these_tests_stand_on() -> None:
    models = [m for p in BOOKS.newest().providers for m in p.models]
    assert sum(1 for m in models if start_dates(m)) > 50
    flat = [m.prices for m in models if not isinstance(m.prices, list)]
    assert sum(1 for prices in flat if has_tiers(prices)) > 30
