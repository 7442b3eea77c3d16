from __future__ import annotations

import pytest

from bot.command import answer
from bot.commands.throughput import COMMAND
from bot.line import option_line, parse_options
from bot.runner import Outcome
from bot.view import (
    CODE_COLUMNS,
    Button,
    Chart,
    Facts,
    Heading,
    Note,
    Table,
    Text,
    View,
    plain,
)
from compute.inputs import check_inputs
from compute.throughput import TOOL
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult
from tests.sample import PlainContext

LLAMA = {"gpu": "h100", "model": "meta-llama/Llama-3.1-8B"}


async def outcome(**inputs: str | int | float) -> Outcome:
    request = check_inputs(TOOL, {**LLAMA, **inputs})
    assert isinstance(request, ThroughputRequest)
    result = await TOOL.run(request, PlainContext())
    return Outcome("abcdefghijklmnopqrstuv", TOOL, {**LLAMA, **inputs}, request, result, None)


async def view(**inputs: str | int | float) -> View:
    return answer(COMMAND, await outcome(**inputs))


def heading(shown: View) -> str:
    first = shown.blocks[0]
    assert isinstance(first, Heading)
    return plain(first.words)


def tables(shown: View) -> list[Table]:
    return [block for block in shown.blocks if isinstance(block, Table)]


def texts(shown: View) -> list[str]:
    return [plain(b.words) for b in shown.blocks if isinstance(b, Heading | Text | Note)]


def test_the_options_are_the_public_names() -> None:
    assert [option.name for option in COMMAND.options] == [
        "gpu", "model", "gpus", "batch", "input", "output", "dtype", "kv_dtype", "engine",
        "parallel", "slo", "rate",
    ]  # fmt: skip
    assert [option.name for option in COMMAND.options if option.required] == ["gpu", "model"]
    assert COMMAND.user_installable


def test_what_the_slash_command_does_not_list_can_be_typed_and_sent_in_a_form() -> None:
    line = "gpu:h100 model:llama-3.1-8b batch:4 cached:0.5 spec_tokens:2 draft:eagle accept:0.6"
    inputs = parse_options(COMMAND, line)
    assert option_line(COMMAND, inputs) == line
    request = check_inputs(TOOL, inputs)
    assert isinstance(request, ThroughputRequest)
    assert (request.prefix_cache_hit_rate, request.num_speculative_tokens) == (0.5, 2)
    assert (request.draft_model, request.acceptance_rate) == ("eagle", 0.6)
    names = [option.name for option in COMMAND.every]
    assert names[12:] == ["cached", "spec_tokens", "draft", "accept", "acceptance_length"]
    draft = COMMAND.option("draft")
    assert draft is not None and draft.suggest is not None
    assert [sent for _, sent in draft.suggest("e")][:1] == ["eagle"]


async def test_drafts_and_prefix_are_said_in_the_answer() -> None:
    shown = await view(cached=0.5, draft="eagle", batch=8)
    (facts,) = (b for b in shown.blocks if isinstance(b, Facts))
    assert ("drafts", "2.53 tokens a step") in facts.rows
    assert any("1,024 in (512 cached) / 512 out" in text for text in texts(shown))


async def test_the_first_line_is_the_answer_with_unit_and_range() -> None:
    asked = await outcome(batch=32)
    assert isinstance(asked.result, ThroughputResult)
    speed = asked.result.estimates[0].output_tps
    first = heading(answer(COMMAND, asked))
    assert first.startswith(f"{round(speed.value, -1):,.0f} output tokens/s (")
    assert "tok/s per user" in first and first.endswith("Llama-3.1-8B bf16 on H100 SXM")
    assert speed.low < speed.value < speed.high


async def test_facts_and_tables_fit_a_phone() -> None:
    every: list[dict[str, str | int | float]] = [
        {"batch": 32},
        {"gpu": "h100,mi300x,rtx 4090"},
        {"gpus": 8, "batch": 512},
        {"dtype": "bf16,fp8,int4,nvfp4", "batch": "max"},
        {"spec_tokens": 3, "cached": 0.5, "slo": "ttft=1s", "rate": 100},
    ]
    for inputs in every:
        for block in (await view(**inputs)).blocks:
            if isinstance(block, Facts):
                name_width = max(len(name) for name, _ in block.rows)
                assert all(name_width + 2 + len(value) <= CODE_COLUMNS for _, value in block.rows)
            if isinstance(block, Table):
                rows = (block.columns, *block.rows)
                widths = [max(len(row[i]) for row in rows) for i in range(len(block.columns))]
                assert sum(widths) + 2 * (len(widths) - 1) <= CODE_COLUMNS


async def test_the_chart_marks_this_load_and_tells_its_numbers() -> None:
    (chart,) = (await view(batch=32)).charts()
    assert isinstance(chart, Chart)
    assert chart.marks[0].label == "32 in flight"
    assert "32" not in chart.series[0].labels  # the mark says it
    assert chart.series[0].labels[-1].endswith(" in flight")
    assert "per user" in chart.alt and len(chart.alt) <= 1024


async def test_the_time_of_a_step_is_told_beginning_with_what_bounds_it() -> None:
    for inputs in ({"batch": 1}, {"batch": 256, "input": 8000}, {"gpu": "b200", "output": 8}):
        asked = await outcome(**inputs)
        assert isinstance(asked.result, ThroughputResult)
        found = asked.result.estimates[0]
        (facts,) = (b for b in answer(COMMAND, asked).blocks if isinstance(b, Facts))
        told = dict(facts.rows)
        assert told["bound by"] == found.bound
        of_memory = told["time"].startswith(("weights", "KV"))
        assert of_memory == (found.bound == "memory")


async def test_one_token_out_has_no_speed_per_user() -> None:
    assert "per user" not in heading(await view(output=1))


async def test_what_does_not_fit_says_so_with_numbers_and_what_would() -> None:
    shown = await view(model="meta-llama/Llama-3.1-70B")
    assert heading(shown).startswith("Does not fit: ")
    assert "131" in heading(shown) and "GiB" in heading(shown)
    fixes = [b for b in shown.blocks if isinstance(b, Button) and b.action == "fix"]
    assert fixes and any("2 GPUs" in b.label for b in fixes)
    assert any(text.startswith("Fits: ") for text in texts(shown))


async def test_compared_gpus_stand_side_by_side_and_the_best_is_named() -> None:
    shown = await view(gpu="h100,mi300x,b200", batch=64)
    speeds, bounds = tables(shown)
    assert [row[0] for row in speeds.rows] == ["B200 SXM", "MI300X", "H100 SXM"]
    assert [row[0] for row in bounds.rows] == ["B200 SXM", "MI300X", "H100 SXM"]
    assert bounds.columns == ("GPU", "bound", "until", "room")
    assert heading(shown).startswith("B200 SXM: ")
    assert "output tokens/s per GPU, the most of 3" in heading(shown)
    (chart,) = shown.charts()
    assert len(chart.series) == 3 and not chart.marks
    for series in chart.series:  # each curve says the batch at some of its points
        assert series.labels[-1] and all(label.isdigit() for label in series.labels if label)


async def test_compared_formats_are_named_by_format_in_table_and_chart() -> None:
    shown = await view(dtype="bf16, fp8,int4", batch=64)
    speeds = tables(shown)[0]
    assert speeds.columns[0] == "format" and len(speeds.rows) == 3
    assert {row[0] for row in speeds.rows} == {"bf16", "fp8", "int4"}
    (chart,) = shown.charts()
    assert [series.name for series in chart.series] == ["bf16", "fp8", "int4"]
    assert chart.title.endswith("on H100 SXM")


@pytest.mark.parametrize(
    ("gpu", "dtype", "told"),
    [
        ("h200,mi300x", "fp8,nvfp4", ["H200 fp8", "H200 nvfp4", "MI300X fp8", "MI300X nvfp4"]),
        ("h100,h100 pcie", "fp8,int4", ["H100 PCIe fp8", "H100 SXM fp8"]),
        ("m3 ultra,4090", "q4_k_m,q8_0", ["4090 q4_k_m", "M3 q4_k_m"]),
        ("h100,h200,mi300x", "fp8", ["H100 SXM", "H200 SXM", "MI300X"]),
    ],
)
async def test_rows_are_told_apart_in_a_narrow_table(gpu: str, dtype: str, told: list[str]) -> None:
    shown = await view(gpu=gpu, dtype=dtype)
    for table in tables(shown):
        assert set(told) <= {row[0] for row in table.rows}


async def test_who_does_most_is_said_for_each_speed_where_it_is_not_one_alone() -> None:
    big = "meta-llama/Llama-3.1-70B"
    shown = await view(gpu="h200", model=big, dtype="fp8,int4")
    (said,) = (text for text in texts(shown) if text.startswith("Most per GPU: "))
    assert "fp8 at 20 tok/s per user (" in said and "int4 at 50 tok/s per user (" in said
    alike = await view(gpu="h100,t4", dtype="fp16")  # one does more at any speed
    assert not any(text.startswith("Most per GPU: ") for text in texts(alike))


async def test_every_compared_choice_has_its_nearest_measurement() -> None:
    big = "meta-llama/Llama-3.1-70B"
    asked = await outcome(gpu="h100,b200,h200", model=big, dtype="fp8", gpus=2, batch=32)
    assert isinstance(asked.result, ThroughputResult) and COMMAND.details is not None
    said = " ".join(texts(answer(COMMAND, asked)))
    behind = " ".join(texts(COMMAND.details(asked.request, asked.result)))
    for found in asked.result.estimates:
        assert found.measured is not None
        assert f"{found.gpu_name}" in said and found.measured.date in said
        assert f"{found.gpu_name} {found.weight_dtype}: measured nearby: " in behind


async def test_one_of_several_that_does_not_fit_keeps_its_row() -> None:
    shown = await view(gpu="rtx 3070,h100")
    table = tables(shown)[0]
    assert table.rows[-1][:2] == ("RTX 3070", "no fit")
    assert any("does not fit" in text for text in texts(shown))
    fixes = [b for b in shown.blocks if isinstance(b, Button) and b.action == "fix"]
    assert fixes and any(text.startswith("To fit as well: ") for text in texts(shown))


async def test_a_pair_that_cannot_be_leaves_the_others_their_answer() -> None:
    shown = await view(gpu="h100,m3 ultra", engine="tensorrt-llm")
    assert heading(shown).endswith("on H100 SXM")
    assert any("Apple" in text and "tensorrt-llm runs on" in text for text in texts(shown))


async def test_targets_are_answered_in_a_sentence() -> None:
    asked = await outcome(slo="ttft=2s tpot=50ms", rate=100)
    assert isinstance(asked.result, ThroughputResult) and asked.result.plan is not None
    plan, shown = asked.result.plan, answer(COMMAND, asked)
    assert heading(shown) == (
        f"{plan.gpus}x H100 SXM ({plan.gpus_low}-{plan.gpus_high}) for 100 requests/s with "
        f"TTFT <= 2,000 ms and TPOT <= 50 ms: each up to "
        f"{plan.max_concurrency:,} in flight, {plan.replica_rps:,.2f} requests/s"
    )
    assert plan.gpus_low and plan.gpus and plan.gpus_high
    assert plan.gpus_low < plan.gpus < plan.gpus_high
    assert any("output tokens/s (" in text for text in texts(shown))
    pairs = await view(slo="tpot=50ms", rate=100, gpus=2, model="llama-3.1-70b")
    assert " times 2x H100 SXM, each up to " in heading(pairs)


async def test_targets_that_cannot_be_held_say_what_is_reached() -> None:
    shown = await view(slo="tpot=1ms")
    assert heading(shown).startswith("TPOT <= 1 ms: not held by H100 SXM even for one request")
    assert "TPOT " in heading(shown).rpartition("even for one request")[2]


async def test_targets_of_a_comparison_name_the_fewest_gpus_and_each_ones_plan() -> None:
    asked = await outcome(gpu="a100,h200,h100", slo="ttft=2s", rate=1_000)
    assert isinstance(asked.result, ThroughputResult)
    shown = answer(COMMAND, asked)
    plans = {found.gpu_name: found.plan for found in asked.result.estimates}
    needed = {name: plan.gpus for name, plan in plans.items() if plan and plan.gpus}
    assert len(needed) == 3
    best = min(needed, key=lambda name: needed[name])
    assert heading(shown).startswith(f"{best}: {needed[best]:,} GPUs (")
    assert ", the fewest of 3, for 1,000 requests/s" in heading(shown)
    table = tables(shown)[0]
    assert table.columns == ("GPU", "users", "req/s", "GPUs")
    short = {name.split()[0]: gpus for name, gpus in needed.items()}
    assert {row[0]: row[3] for row in table.rows} == {n: f"{g:,}" for n, g in short.items()}
    assert [row[0] for row in table.rows] == sorted(short, key=lambda name: short[name])


async def test_prompt_only_speaks_of_prompt_tokens() -> None:
    assert "prompt tokens/s" in heading(await view(output=0))
    assert not (await view(output=0)).charts()  # its axes are about generated tokens


async def test_compared_for_prompts_alone_the_fastest_at_prompts_is_named() -> None:
    shown = await view(gpu="a100,h100,rtx 3070", dtype="fp8", output=0)
    assert heading(shown).startswith("H100 SXM: ") and "prompt tokens/s" in heading(shown)
    (table,) = (b for b in shown.blocks if isinstance(b, Table))
    assert table.columns == ("GPU", "tok/s", "TTFT")
    assert "0" not in [row[1] for row in table.rows]
    assert not shown.charts()


async def test_assumptions_carry_their_sources() -> None:
    asked = await outcome()
    assert COMMAND.details is not None
    shown = COMMAND.details(asked.request, asked.result)
    assert isinstance(asked.result, ThroughputResult)
    for assumption in asked.result.assumptions:
        assert any(assumption.text in text for text in texts(shown))
        assert not assumption.source or assumption.source in texts(shown)


@pytest.mark.parametrize(
    "text", ["", "h1", "rtx", "mi3", "h100,", "h100, h2", "@everyone", "x" * 6000]
)
@pytest.mark.parametrize("option", ["gpu", "model"])
def test_suggestions_stay_within_discords_limits(option: str, text: str) -> None:
    found = COMMAND.option(option)
    assert found is not None and found.suggest is not None
    pairs = found.suggest(text)
    assert len(pairs) <= 25
    assert all(1 <= len(label) <= 100 and 1 <= len(value) <= 100 for label, value in pairs)


def test_a_gpu_is_suggested_by_its_beginning_and_kept_in_a_list() -> None:
    option = COMMAND.option("gpu")
    assert option is not None and option.suggest is not None
    assert option.suggest("h1")[0][1].lower().startswith("h100")
    assert option.suggest("mi300x, h2")[0][1].startswith("mi300x, ")
