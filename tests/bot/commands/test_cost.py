from __future__ import annotations

import datetime as dt

import pytest
from pydantic import JsonValue

from bot.command import answer
from bot.commands.cost import COMMAND
from bot.commands.cost.money import count, usd
from bot.render.discord import length, payload
from bot.runner import Outcome
from bot.view import Chart, Facts, Heading, Note, Table, Text, View, plain
from bot.web.text import view_text
from compute.cost import TOOL, CostRequest, CostResult
from compute.cost.tool import Calculator
from compute.cost.words import percent
from compute.inputs import check_inputs
from compute.tool import Refused
from tests.sample import PlainContext

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
OSS: dict[str, JsonValue] = {
    "model": "openai/gpt-oss-120b",
    "requests_per_day": 200_000,
    "input": 1200,
    "output": 300,
}
PHONE_COLUMNS = 36


async def outcome(**inputs: JsonValue) -> Outcome:
    """A real answer, without a network, on a day whose prices are in the bundled data."""
    given = {**OSS, **inputs}
    request = check_inputs(TOOL, given)
    assert isinstance(request, CostRequest)
    result = await Calculator(clock=lambda: NOW).run(request, PlainContext())
    return Outcome("abcdefghijklmnopqrstuv", TOOL, given, request, result, None)


def result_of(made: Outcome) -> CostResult:
    assert isinstance(made.result, CostResult)
    return made.result


def with_result(made: Outcome, **changes: object) -> View:
    """The answer as it would be with parts of the result changed."""
    result = result_of(made).model_copy(update=changes)
    return COMMAND.show(made.request, result)


def heading(view: View) -> str:
    first = view.blocks[0]
    assert isinstance(first, Heading)
    return plain(first.words)


def texts(view: View) -> list[str]:
    return [plain(b.words) for b in view.blocks if isinstance(b, Heading | Text | Note)]


def code_lines(view: View) -> list[str]:
    """Every line of the code blocks that Discord gets."""
    contents = [c["content"] for c in payload(view)["components"][0]["components"]
                if "content" in c]  # fmt: skip
    blocks = [part for content in contents for part in content.split("```")[1::2]]
    return [line for block in blocks for line in block.split("\n")]


def test_the_options_are_the_public_names() -> None:
    assert [option.name for option in COMMAND.options] == [
        "model", "gpu", "requests_per_day", "input", "output", "cached", "traffic", "pricing",
        "slo",
    ]  # fmt: skip
    assert [option.name for option in COMMAND.options if option.required] == ["model"]
    assert COMMAND.user_installable


def test_every_field_that_can_be_typed_is_an_option_somewhere() -> None:
    known = {option.field for option in COMMAND.every}
    assert set(CostRequest.model_fields) - known == {"profile", "trace_csv"}


async def test_the_answer_comes_first_then_the_utilization_then_the_break_even() -> None:
    made = await outcome()
    result, said = result_of(made), texts(COMMAND.show(made.request, made.result))
    assert said[0] == result.headline.removesuffix(".") and "$" in said[0]
    assert said[1] == result.why and "%" in said[1]
    assert result.breakeven is not None and said[2] == result.breakeven.sentence


async def test_every_answer_shows_demand_fleet_peak_and_use_with_dates_of_the_prices() -> None:
    made = await outcome()
    view = COMMAND.show(made.request, made.result)
    (facts,) = (block for block in view.blocks if isinstance(block, Facts))
    assert dict(facts.rows)["model"] == "gpt-oss-120b mxfp4"
    assert {"demand D", "fleet N", "used D/N", "peak / mean"} <= dict(facts.rows).keys()
    result = result_of(made)
    small = texts(view)[-1]
    price = result.gpus[0].price
    assert price is not None
    for told in (result.prices_source, result.prices_date, price.oldest, price.newest):
        assert told in small
    assert f"${price.low:,.2f}-{price.high:,.2f}/h" in small


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"model": "meta-llama/Llama-3.3-70B-Instruct", "requests_per_day": 5e7, "growth": 0.2},
        {"traffic": "servegen-deepseek-r1", "scaling": "autoscaled", "utilization": 0.5},
        {"model": "gpt-5", "cached": "50%"},
        {"capex": 30_000, "hosting": 100, "people": 9000, "storage": 50},
        {"pricing": "spot batch", "requests_per_day": 0.5},
    ],
    ids=["plain", "growing", "typed", "closed", "bought", "batch"],
)
async def test_code_blocks_fit_a_phone_and_messages_fit_discord(
    inputs: dict[str, JsonValue],
) -> None:
    made = await outcome(**inputs)
    assert COMMAND.details is not None
    for view in (answer(COMMAND, made), COMMAND.details(made.request, made.result)):
        assert max(map(len, code_lines(view)), default=0) <= PHONE_COLUMNS
        whole = sum(length(c.get("content", "")) for c in payload(view)["components"][0]
                    ["components"])  # fmt: skip
        assert whole <= 4000
    assert "The rest does not fit" not in str(payload(answer(COMMAND, made)))


async def test_a_price_nobody_knows_is_unknown_and_never_zero() -> None:
    made = await outcome()
    unpriced = {"usd_per_month": None, "usd_per_mtok": None, "range": None}
    offers = [offer.model_copy(update=unpriced) for offer in result_of(made).providers[:2]]
    view = with_result(made, providers=offers, gpus=[], curves=[], breakeven=None)
    (table,) = (block for block in view.blocks if isinstance(block, Table))
    assert all(row[1:] == ("unknown", "unknown") for row in table.rows)
    assert "$0" not in view_text(view)
    assert not view.charts()


async def test_a_typed_utilization_stands_beside_the_derived_one() -> None:
    made = await outcome(utilization=0.6)
    best = result_of(made).gpus[0]
    (said,) = (text for text in texts(COMMAND.show(made.request, made.result))
               if text.startswith("At the 60 % you typed"))  # fmt: skip
    assert usd(best.typed_usd_per_month) in said and percent(best.utilization) in said


async def test_what_cannot_serve_says_why_and_has_no_row() -> None:
    made = await outcome(gpu="rtx 3070,h100", gpus=1)
    out = [choice for choice in result_of(made).gpus if not choice.feasible]
    assert [choice.gpu_name for choice in out] == ["RTX 3070"]
    view = COMMAND.show(made.request, made.result)
    assert any(out[0].sentence in text for text in texts(view))
    assert "RTX 3070 |" not in view_text(view)


async def test_the_first_chart_is_cost_over_volume_with_today_and_break_even_marked() -> None:
    made = await outcome()
    even = result_of(made).breakeven
    assert even is not None
    known = even.model_copy(update={"requests_per_day": 640_000.0})
    chart = with_result(made, breakeven=known).charts()[0]
    labels = [reference.label for reference in chart.references]
    assert labels == ["you: 200,000 a day", "break-even: 640,000"]
    assert chart.log_x and chart.log_y and chart.y_prefix == "$" and len(chart.series) <= 6
    api = [s for s in chart.series if s.dashed]
    own = [s for s in chart.series if not s.dashed]
    assert api and own and own[0].low and not any(s.low for s in own[1:] + api)


async def test_pictures_tell_their_numbers_in_words() -> None:
    charts = COMMAND.show(CostRequest(model="x"), (await outcome()).result).charts()
    assert len(charts) == 3
    for chart in charts:
        assert isinstance(chart, Chart)
        assert 40 < len(chart.alt) <= 1000 and any(c.isdigit() for c in chart.alt)


async def test_one_price_under_two_names_is_one_row() -> None:
    made = await outcome(model="meta-llama/Llama-3.3-70B-Instruct")
    view = COMMAND.show(made.request, made.result)
    (table,) = (block for block in view.blocks if isinstance(block, Table))
    months = [row[1] for row in table.rows]
    assert len(months) == len(set(months))
    lines = view.charts()[0].series
    assert len({series.ys for series in lines}) == len(lines)


async def test_the_gap_between_busy_and_paid_for_is_drawn_over_the_hours() -> None:
    made = await outcome(traffic="servegen-deepseek-r1")
    chart = COMMAND.show(made.request, made.result).charts()[-1]
    busy, paid = chart.series
    best = result_of(made).gpus[0]
    mean = sum(busy.ys[:-1]) / (len(busy.ys) - 1)
    assert mean / paid.ys[0] == pytest.approx(best.utilization, rel=1e-3)
    flat = await outcome(traffic="flat")
    assert len(COMMAND.show(flat.request, flat.result).charts()) == 2


async def test_assumptions_carry_sources_and_dates() -> None:
    made = await outcome()
    assert COMMAND.details is not None
    said = "\n".join(texts(COMMAND.details(made.request, made.result)))
    for assumption in result_of(made).assumptions:
        for part in (assumption.text, assumption.source, assumption.date):
            assert part in said


async def test_an_unknown_model_is_refused_with_what_is_near() -> None:
    with pytest.raises(Refused) as refused:
        await outcome(model="deepseek-v9")
    assert refused.value.refusal.nearest and refused.value.refusal.field == "model"


@pytest.mark.parametrize("text", ["", "deep", "spot b", "azu", "h1", "h100, h2", "x" * 6000, "@"])
@pytest.mark.parametrize("option", ["model", "gpu", "traffic", "pricing"])
def test_suggestions_are_pairs_that_discord_takes(option: str, text: str) -> None:
    found = COMMAND.option(option)
    assert found is not None and found.suggest is not None
    for label, value in found.suggest(text)[:25]:
        assert 1 <= len(label) <= 100 and 1 <= len(value) <= 100


def test_models_that_only_providers_sell_are_suggested_too() -> None:
    option = COMMAND.option("model")
    assert option is not None and option.suggest is not None
    assert any("gpt-5" in value for _, value in option.suggest("gpt-5"))
    assert any("Llama-3.3-70B" in value for _, value in option.suggest("llama-3.3"))


def test_amounts_keep_the_digits_that_matter() -> None:
    assert [usd(v) for v in (None, 7904.4, 12.3, 0.0042)] == [
        "unknown", "$7,904", "$12.30", "$0.0042",
    ]  # fmt: skip
    assert [percent(v) for v in (0.31, 0.089, 1e-5, 0.0)] == ["31 %", "8.9 %", "under 0.1 %", "0 %"]
    assert [count(v) for v in (200_000.0, 1.0, 0.5, 12.25)] == ["200,000", "1", "0.500", "12.2"]
