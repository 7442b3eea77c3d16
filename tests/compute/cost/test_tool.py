"""The whole answer: both sides, dated and sourced."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from compute.cost import CostResult
from compute.cost.pricebook import BOOKS
from compute.cost.words import percent
from compute.throughput import CALCULATOR
from compute.tool import FetchError, Refused
from tests.compute.cost.known import MODEL, NOW, ask, calculator, request
from tests.sample import PlainContext


@pytest.fixture(scope="module")
def answer() -> CostResult:
    return ask(requests_per_day=200_000, input=1200, output=300)


def test_both_sides_are_priced_dated_and_sourced(answer: CostResult) -> None:
    assert len(answer.providers) == 23
    assert len(answer.gpus) == 6
    costs = [p.usd_per_month for p in answer.providers if p.usd_per_month is not None]
    assert costs == sorted(costs)
    for provider in answer.providers:
        assert provider.price_source.startswith("genai-prices")
        assert dt.date.fromisoformat(provider.price_date) <= NOW.date()
        assert provider.usd_per_month is None or provider.usd_per_month > 0
    for gpu in answer.gpus:
        assert gpu.price is not None
        assert gpu.price.low <= gpu.price.median <= gpu.price.high
        assert gpu.price.newest
        assert gpu.price.source


def test_utilization_comes_out_with_what_it_is_made_of(answer: CostResult) -> None:
    for gpu in answer.gpus:
        demand = answer.traffic.mean_rps / gpu.replica_rps
        assert gpu.demand_replicas == pytest.approx(demand)
        assert gpu.utilization == pytest.approx(demand / gpu.mean_replicas)
        assert gpu.replicas >= demand * answer.traffic.peak_over_mean
        assert 0 <= gpu.wait_probability <= 0.01
        assert gpu.usd_per_month is not None
        assert gpu.usd_per_month.low <= gpu.usd_per_month.value <= gpu.usd_per_month.high
        lines = sum(line.usd_per_month for line in gpu.lines)
        assert lines == pytest.approx(gpu.usd_per_month.value)


def test_the_first_line_says_who_wins_and_by_how_much(answer: CostResult) -> None:
    api = answer.providers[0].usd_per_month
    own = answer.gpus[0].usd_per_month
    assert api is not None
    assert own is not None
    assert answer.winner == "api"
    assert answer.winner_usd == pytest.approx(own.value - api)
    assert answer.winner_ratio == pytest.approx(own.value / api)
    assert answer.headline.startswith(f"Buy it: ${api:,.0f} a month from {answer.winner_name}")
    assert f"uses {percent(answer.gpus[0].utilization)} of these GPUs" in answer.why


def test_overlapping_ranges_are_called_close_and_others_are_not() -> None:
    seen = set()
    for volume in (1e3, 3e5, 5e5, 1e6, 1e7):
        result = ask(model="gpt-oss-20b", requests_per_day=volume, pricing="spot")
        own, api = result.gpus[0].usd_per_month, result.providers[0].range
        assert own is not None and api is not None
        assert result.clear == (own.low > api.high or own.high < api.low)
        said = [text for text in result.warnings if text.startswith("A close call")]
        assert len(said) == (0 if result.clear else 1)
        seen.add(result.clear)
    assert seen == {True, False}


def test_the_sensitivity_table_holds_every_lever(answer: CostResult) -> None:
    groups = {row.group for row in answer.sensitivity}
    assert groups == {"volume", "gpu price", "cache", "throughput"}
    half, same, twice = (row for row in answer.sensitivity if row.group == "volume")
    assert same.api_usd == pytest.approx(answer.providers[0].usd_per_month)
    assert half.api_usd is not None
    assert twice.api_usd == pytest.approx(4 * half.api_usd)
    assert half.selfhost_usd is not None
    assert twice.selfhost_usd is not None
    assert twice.selfhost_usd <= 4 * half.selfhost_usd


def test_the_chart_has_a_line_and_staircases_over_one_range(answer: CostResult) -> None:
    kinds = [curve.kind for curve in answer.curves]
    assert kinds == ["api", "api", "selfhost", "selfhost", "selfhost"]
    for curve in answer.curves:
        assert len(curve.xs) == len(curve.ys)
        assert curve.xs == sorted(curve.xs)
        assert curve.xs[0] < 200_000 < curve.xs[-1]
        if curve.kind == "selfhost":
            assert curve.ys == sorted(curve.ys)
            assert all(
                lo <= y <= hi for lo, y, hi in zip(curve.low, curve.ys, curve.high, strict=True)
            )


def test_around_the_break_even_the_winner_changes() -> None:
    asked: dict[str, Any] = {"model": "gpt-oss-20b", "input": 1000, "output": 200, "gpu": "l40s"}
    asked["gpu_price"] = 0.3
    result = ask(requests_per_day=5e6, **asked)
    assert result.breakeven is not None
    found = result.breakeven.requests_per_day
    assert found is not None
    assert f"{found:,.0f}" in result.breakeven.sentence
    assert ask(requests_per_day=found * 1.001, **asked).winner == "selfhost"
    assert ask(requests_per_day=found * 0.999, **asked).winner == "api"
    assert result.gpus[0].breakeven_requests_per_day == found


def test_a_gpu_that_breaks_even_earlier_is_named() -> None:
    result = ask(model="gpt-oss-20b", requests_per_day=1.5e6, pricing="spot")
    known = {g.gpu_name: g.breakeven_requests_per_day for g in result.gpus}
    first = min((at, name) for name, at in known.items() if at is not None)
    assert result.breakeven is not None and result.breakeven.requests_per_day is not None
    assert first[0] < 0.9 * result.breakeven.requests_per_day
    told = f"On {first[1]}, self-hosting wins from {first[0]:,.0f} on."
    assert result.breakeven.sentence.endswith(told)
    alone = ask(model="gpt-oss-20b", requests_per_day=1.5e6, pricing="spot", gpu="h100")
    assert alone.breakeven is not None and ", self-hosting wins" not in alone.breakeven.sentence


def test_a_break_even_that_never_comes_is_none(answer: CostResult) -> None:
    assert answer.breakeven is not None
    if answer.breakeven.requests_per_day is None:
        assert "stays cheaper" in answer.breakeven.sentence
    dear = ask(model="gpt-oss-20b", gpu="h100", gpu_price=5000, requests_per_day=1e6)
    assert dear.breakeven is not None
    assert dear.breakeven.requests_per_day is None
    assert dear.breakeven.crossings == []


def test_where_self_hosting_wins_it_says_so() -> None:
    result = ask(model="gpt-oss-20b", requests_per_day=5e6, pricing="spot", input=1000, output=200)
    assert result.winner == "selfhost"
    assert result.headline.startswith("Self-host it: $")
    assert result.breakeven is not None
    assert result.breakeven.requests_per_day is not None
    assert result.breakeven.requests_per_day < 5e6


@pytest.mark.parametrize("scaling", ["static", "autoscaled"])
def test_half_the_requests_never_cost_less_each(scaling: str) -> None:
    def each(volume: float) -> float:
        result = ask(requests_per_day=volume, gpu="h100", scaling=scaling, input=800, output=200)
        assert result.gpus[0].usd_per_mtok is not None
        return result.gpus[0].usd_per_mtok.value

    prices = [each(4e6 / 2**step) for step in range(6)]
    assert prices == sorted(prices)


def test_a_typed_utilization_is_shown_beside_the_derived_one_with_a_warning() -> None:
    plain = ask(gpu="h100", requests_per_day=50_000)
    typed = ask(gpu="h100", requests_per_day=50_000, utilization="60%")
    gpu = typed.gpus[0]
    assert gpu.usd_per_month == plain.gpus[0].usd_per_month
    assert gpu.typed_utilization == 0.6
    assert gpu.typed_usd_per_month is not None
    assert gpu.usd_per_month is not None
    assert gpu.typed_usd_per_month < gpu.usd_per_month.value
    assert any("60 %" in text and percent(gpu.utilization) in text for text in typed.warnings)


def test_bought_hardware_has_its_lines_and_no_rent() -> None:
    result = ask(gpu="h100", capex=30_000, people=8000)
    gpu = result.gpus[0]
    assert gpu.price is not None
    assert gpu.price.pricing == "bought"
    assert {line.name for line in gpu.lines} == {"power", "hardware", "people"}
    assert gpu.usd_per_month is not None
    assert gpu.usd_per_month.low == gpu.usd_per_month.value


def test_own_prices_take_part() -> None:
    result = ask(gpu="h100", gpu_price=1.0, api_in=0.001, api_out=0.001)
    assert result.providers[0].provider == "your price"
    assert result.gpus[0].price is not None
    assert result.gpus[0].price.low == result.gpus[0].price.high == 1.0
    with pytest.raises(Refused, match="both api_in and api_out"):
        ask(api_in=1.0)


def test_old_gpu_prices_are_marked(answer: CostResult) -> None:
    assert any("older than 30 days" in text for text in answer.warnings)
    fresh = ask(gpu="l4", start="2026-08-24", gpu_price=0.5)
    assert not any("older" in text for text in fresh.warnings)


def test_an_announced_price_inside_the_forecast_is_said() -> None:
    result = ask(model="gemini-3.8-flash", provider="google", requests_per_day=1000)
    assert [change.date for change in result.price_changes] == ["2027-01-01"]
    assert any("2027-01-01" in text for text in result.warnings)
    first, last = result.forecast[0].api_usd, result.forecast[-1].api_usd
    assert first is not None
    assert last == pytest.approx(2 * first)
    short = ask(model="gemini-3.8-flash", provider="google", months=1)
    assert not short.price_changes


def test_growth_makes_every_month_larger() -> None:
    result = ask(requests_per_day=1000, growth=0.1, months=3, gpu="h100")
    assert [round(m.requests_per_day) for m in result.forecast] == [1000, 1100, 1210]
    assert [m.month for m in result.forecast] == ["2026-11-23", "2026-12-23", "2027-01-23"]


def test_a_model_without_weights_is_answered_by_its_providers() -> None:
    result = ask(model="gpt-5", requests_per_day=1000)
    assert result.gpus == []
    assert result.winner == "api"
    assert any("no open weights" in text for text in result.warnings)


def test_open_weights_under_a_sellers_name_are_one_press_away() -> None:
    known = {m.id.casefold() for m in CALCULATOR.library.models}
    listed = [
        (model.id, model.id.rpartition("/")[2])
        for provider in BOOKS.newest().providers
        if provider.id.startswith("huggingface")
        for model in provider.models
        if "/" in model.id
        and model.id.casefold() not in known
        and CALCULATOR.library.models.find(model.id.rpartition("/")[2]) is None
    ]
    hub_id, short = listed[0]
    result = ask(model=short)
    assert result.gpus == []
    assert {"model": hub_id} in [dict(fix.changes) for fix in result.fixes]
    assert any(hub_id in text for text in result.warnings)


def test_a_short_name_leads_to_the_model_it_begins() -> None:
    result = ask(model="qwen3-coder-480b")
    (fix,) = result.fixes
    assert fix.changes == {"model": "Qwen/Qwen3-Coder-480B-A35B-Instruct"}
    assert not fix.optional  # the only seller of that spelling has no price
    assert result.winner == "unknown"
    assert result.why == ""
    assert ask(model="gpt-4o").warnings == [
        "Self-hosting is left out: no open weights of gpt-4o are known."
    ]


def test_a_free_listing_without_a_price_leads_to_the_priced_one() -> None:
    result = ask(model="openai/gpt-oss-120b:free")
    assert result.winner == "unknown"
    assert [dict(fix.changes) for fix in result.fixes] == [{"model": "openai/gpt-oss-120b"}]


def test_a_model_nobody_sells_is_answered_by_gpus() -> None:
    models = CALCULATOR.library.models
    unsold = next(m.id for m in models if not BOOKS.newest().sellers(m.id))
    result = ask(model=unsold, gpu="b300", requests_per_day=1000, slo="ttft=60s tpot=1s")
    assert result.winner == "selfhost"
    assert result.providers == []
    assert "no provider" in result.headline


def test_batch_shows_who_has_it_and_who_has_not() -> None:
    result = ask(model="gpt-5", pricing="batch", requests_per_day=1000)
    openai = next(p for p in result.providers if p.provider == "openai")
    router = next(p for p in result.providers if p.provider == "openrouter")
    assert openai.processing == "batch"
    assert router.processing == "standard"
    assert "no batch price" in router.notes[0]


def test_the_cached_share_makes_both_sides_cheaper_and_is_a_range() -> None:
    plain = ask(model="deepseek-v4-pro", provider="deepseek", cached=0)
    cached = ask(model="deepseek-v4-pro", provider="deepseek", cached="80%")
    before, after = plain.providers[0], cached.providers[0]
    assert before.usd_per_month is not None
    assert after.usd_per_month is not None
    assert after.usd_per_month < before.usd_per_month
    assert after.range is not None
    assert after.range.high == pytest.approx(before.usd_per_month)


def test_the_time_zone_of_the_traffic_moves_a_time_of_day_bill() -> None:
    bills = {
        offset: ask(model="deepseek-v4-pro", provider="deepseek", utc_offset=offset, input=500,
                    output=100).providers[0].usd_per_month
        for offset in (-8, 0, 8)
    }  # fmt: skip
    assert len(set(bills.values())) == 3


class Hub(PlainContext):
    """A hub that is not reached."""

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        raise FetchError("The hub cannot be reached.")


def test_a_hub_that_is_away_leaves_the_providers_side() -> None:
    sold = "deepseek-ai/DeepSeek-V4-Pro-0813"
    asked = request(model=sold)
    if not calculator().waits(asked):
        pytest.skip("the catalogue has that model by now")
    result = asyncio.run(calculator().run(asked, Hub()))
    assert result.providers
    assert result.gpus == []
    assert any("left out" in text for text in result.warnings)
    with pytest.raises((Refused, FetchError)):
        asyncio.run(calculator().run(request(model="nobody/unheard-of"), Hub()))


def test_only_unknown_open_models_wait_for_the_hub() -> None:
    assert not calculator().waits(request(model=MODEL))
    assert not calculator().waits(request(model="gpt-5"))
    assert not calculator().waits(request(model="openai/gpt-5"))
    assert calculator().waits(request(model="nobody/unheard-of"))


def test_suggestions_come_from_memory() -> None:
    one = calculator()
    assert ("openai/gpt-oss-120b", "openai/gpt-oss-120b") in one.suggest_models("gpt-oss-120")
    assert any(value == "azure-2024-conversation" for _, value in one.suggest_traffic("chat"))
    assert ("spot batch", "spot batch") in one.suggest_pricing("spot b")
    assert one.suggest_gpus("h100")


def test_no_listing_of_a_reseller_to_its_own_users_takes_part() -> None:
    assert any(s.provider.id == "github-copilot" for s in BOOKS.newest().sellers("kimi-k3"))
    result = ask(model="kimi-k3", gpu="b200")
    assert all(p.provider != "github-copilot" for p in result.providers)


def test_a_named_provider_that_takes_the_name_for_another_model_says_so() -> None:
    result = ask(model="DeepSeek-R1-Distill-Llama-70B", provider="deepseek", gpu="h100")
    assert "this is deepseek-reasoner" in result.providers[0].notes[0]
    everyone = ask(model="DeepSeek-R1-Distill-Llama-70B", gpu="h100")
    assert all(p.provider != "deepseek" for p in everyone.providers)
    assert not any("this is" in note for p in everyone.providers for note in p.notes)


def test_the_result_survives_json(answer: CostResult) -> None:
    text = answer.model_dump_json()
    assert CostResult.model_validate_json(text) == answer
    assert len(text) < 100_000
    assert "$0.00" not in text
