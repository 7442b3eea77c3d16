"""Published worked sums: reproduced to their printed digits, corrected where they are wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.cost import Usage, api_usd, breakeven_mtok, selfhost_month, selfhost_usd_per_mtok

DEEPSEEK_DAY = Usage(608 * 10**9, 168 * 10**9, cache_read_tokens=342 * 10**9)


def test_deepseeks_day_of_rented_nodes() -> None:
    # open-infra-index, day 6: 226.75 nodes of 8 GPUs at $2 an hour
    assert selfhost_month(226.75 * 8 * 2, hours=24) == 87_072


def test_deepseeks_day_at_its_own_prices() -> None:
    # published $562,027; $562,100 from the rounded counts it prints
    assert api_usd(DEEPSEEK_DAY, 0.55, 2.19, 0.14) == 562_100


@pytest.mark.parametrize(
    ("usd_per_hour", "tokens_per_s", "utilization", "printed"),
    [
        # gmicloud.ai, 2026-05-28: four H100 and H200 examples
        (2.00, 85, 1.0, "6.54"),
        (2.60, 140, 1.0, "5.16"),
        (2.00, 120, 1.0, "4.63"),
        (2.00, 400, 1.0, "1.39"),
        # llmtco.com, methodology 6
        (1.50, 2000, 1.0, "0.21"),
        # rahulkashyap.dev: at full and at 70 % utilization
        (1.29, 2400, 1.0, "0.15"),
        (1.29, 2400, 0.7, "0.21"),
        # kshirol-dev, four H100: on demand and reserved
        (10.0, 3400, 1.0, "0.82"),
        (6.4, 3400, 1.0, "0.52"),
        # tools.gera.services; its 1.40 at 20 % multiplies the rounded 0.28, the sum is 1.39
        (2.00, 2000, 1.0, "0.28"),
        (2.00, 2000, 0.2, "1.39"),
    ],
)
def test_published_prices_per_million_tokens(
    usd_per_hour: float, tokens_per_s: float, utilization: float, printed: str
) -> None:
    assert f"{selfhost_usd_per_mtok(usd_per_hour, tokens_per_s, utilization):.2f}" == printed


def test_llmtcos_api_bill_and_break_even() -> None:
    assert api_usd(Usage(1_000_000, 500_000), 3, 15) == 10.5
    months_of_a_server = Decimal(15_000) / 36
    assert f"{months_of_a_server:.2f}" == "416.67"
    assert f"{breakeven_mtok(320, 3):.1f}" == "106.7"


def test_rent_is_not_multiplied_by_utilization() -> None:
    # llmtco.com prints $328.50 for $1.50 an hour used 30 % of the time: that is the wrong sign
    assert selfhost_month(1.50) == 1095


def test_a_break_even_that_was_printed_a_thousand_times_too_small() -> None:
    # kshirol-dev prints 0.46M tokens a month for $4,608 against $10 per million; and its $4,608
    # is 720 hours where its capacity is 730
    assert breakeven_mtok(4608, 10) == 460.8
    assert selfhost_month(6.40, hours=720) == 4608
    assert selfhost_month(6.40) == 4672


def test_a_break_even_with_an_api_that_is_free_or_unknown_is_never() -> None:
    assert breakeven_mtok(1000, None) is None
    assert breakeven_mtok(1000, 0) is None


def test_tokens_without_a_cache_price_are_billed_as_prompt() -> None:
    usage = Usage(1_000_000, 0, cache_read_tokens=400_000)
    assert api_usd(usage, 1.0, 2.0) == 1.0
    assert api_usd(usage, 1.0, 2.0, 0.1) == 0.64
    assert api_usd(usage, 1.0, 2.0, 0) == 0.6


def test_decimals_stay_decimals_and_exact() -> None:
    usd = api_usd(Usage(3, 0), Decimal("0.1"), Decimal("0.2"))
    assert usd == Decimal("0.0000003")
    assert isinstance(selfhost_month(Decimal("2.5")), Decimal)
    assert isinstance(selfhost_month(2.5), float)


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        ((10, 5, 11, 0), "part of input"),
        ((10, 5, 6, 5), "part of input"),
        ((-1, 5, 0, 0), "at least 0"),
        ((float("nan"), 5, 0, 0), "finite"),
        ((True, 5, 0, 0), "at least 0|numbers"),
    ],
)
def test_usage_that_cannot_be_is_refused(counts: tuple[float, ...], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Usage(*counts)


@pytest.mark.parametrize("utilization", [0, -0.1, 1.01, float("nan")])
def test_a_utilization_outside_0_to_1_is_refused(utilization: float) -> None:
    with pytest.raises(ValueError, match=r"utilization|finite"):
        selfhost_usd_per_mtok(2.0, 100, utilization)


@given(
    utilization=st.floats(0.01, 1.0),
    usd_per_hour=st.floats(0.1, 500),
    tokens_per_s=st.floats(1, 1e6),
)
def test_a_quieter_replica_is_never_cheaper_per_token(
    utilization: float, usd_per_hour: float, tokens_per_s: float
) -> None:
    busy = selfhost_usd_per_mtok(usd_per_hour, tokens_per_s, utilization)
    quiet = selfhost_usd_per_mtok(usd_per_hour, tokens_per_s, utilization / 2)
    assert quiet >= busy


@given(
    tokens=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    more=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    prices=st.tuples(st.floats(0, 100), st.floats(0, 100)),
)
def test_more_tokens_never_cost_less(
    tokens: tuple[int, int], more: tuple[int, int], prices: tuple[float, float]
) -> None:
    less = api_usd(Usage(*tokens), *prices)
    assert api_usd(Usage(tokens[0] + more[0], tokens[1] + more[1]), *prices) >= less
