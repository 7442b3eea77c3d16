"""Traffic in numbers: lengths as buckets, burstiness, defaults that are said."""

from __future__ import annotations

import datetime as dt

import pytest

from compute.cost.load import UNKNOWN_PEAKEDNESS, length_buckets, load_of
from compute.cost.offers import mean_request
from compute.cost.pricebook import BOOKS
from content.traffic import load_traffic
from tests.compute.cost.known import request


@pytest.mark.parametrize("name", [p.name for p in load_traffic() if p.inputs is not None])
def test_buckets_keep_the_mean_and_the_tail(name: str) -> None:
    profile = load_traffic().find(name)
    assert profile is not None
    assert profile.inputs is not None
    buckets = length_buckets(profile.inputs)
    assert sum(share for share, _ in buckets) == pytest.approx(1.0)
    mean = sum(share * tokens for share, tokens in buckets)
    assert mean == pytest.approx(profile.inputs.mean)
    assert max(tokens for _, tokens in buckets) > 2 * profile.inputs.mean


def test_a_tail_of_long_prompts_pays_its_tier_and_the_mean_alone_would_not() -> None:
    at = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    traffic = load_traffic()
    spread = load_of(request(model="claude-haiku-5-5", traffic="mooncake-conversation"), traffic)
    one = load_of(
        request(model="claude-haiku-5-5", traffic="mooncake-conversation", input=12035), traffic
    )
    seller = BOOKS.newest().sellers("claude-haiku-5-5")[0]
    tailed = mean_request(seller.model, spread, 0.0, at, "standard")
    flat = mean_request(seller.model, one, 0.0, at, "standard")
    assert len(spread.buckets) > 5
    assert len(one.buckets) == 1
    assert tailed is not None
    assert flat is not None
    assert tailed > flat * 1  # one prompt in a hundred is beyond 100,000 tokens and costs 5 times


def test_lengths_and_cache_come_from_the_profile_where_it_has_them() -> None:
    traffic = load_traffic()
    long = load_of(request(traffic="mooncake-conversation"), traffic)
    assert (round(long.isl), round(long.osl)) == (12035, 343)
    assert long.cached_share == 0.374
    typed = load_of(request(traffic="mooncake-conversation", input=10, output=0, cached=0), traffic)
    assert (typed.isl, typed.osl, typed.cached_share) == (10, 0, 0.0)


def test_burstiness_is_the_published_one_or_a_stated_guess() -> None:
    traffic = load_traffic()

    def peakedness(name: str) -> float:
        return load_of(request(traffic=name), traffic).peakedness

    assert peakedness("flat") == 1.0
    assert peakedness("azure-2023-conversation") == pytest.approx((1 + 1.094**2) / 2)
    assert peakedness("azure-2023-code") == UNKNOWN_PEAKEDNESS
    assert peakedness("servegen-m-large") == UNKNOWN_PEAKEDNESS
    assert load_of(request(peakedness=9), traffic).peakedness == 9


def test_a_month_is_730_hours() -> None:
    load = load_of(request(requests_per_day=2400, input=1000, output=0), load_traffic())
    assert load.requests_per_month == 73_000
    assert load.mtok_per_month == 73.0
