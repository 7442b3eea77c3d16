from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from bot.command import NAME, answer, number, repaired, run_name, with_inputs
from bot.jobs.words import Progress
from bot.runner import Outcome
from bot.view import Bold, Button, Code, Heading, Link, Note, Text, plain
from compute.inputs import check_inputs
from compute.tool import Refusal, Refused
from tests.sample import COMMAND, TOOL, KvResult, PlainContext, run


async def answered(**inputs: int | str) -> Outcome:
    request = check_inputs(TOOL, inputs)
    assert isinstance(request, TOOL.request)
    result = await run(request, PlainContext())
    return Outcome("abcdefghijklmnopqrstuv", TOOL, inputs, request, result, None)


def refused(refusal: Refusal) -> Outcome:
    return Outcome("abcdefghijklmnopqrstuv", TOOL, {"layers": 0}, None, None, refusal)


def test_options_take_type_choices_and_requiredness_from_the_request() -> None:
    layers, isl, dtype, model = COMMAND.options
    assert (layers.name, layers.field, layers.kind, layers.required) == (
        "layers", "n_layers", "integer", True,
    )  # fmt: skip
    assert (isl.kind, isl.required) == ("integer", False)
    assert dtype.choices == (("fp16", "fp16"), ("fp8", "fp8"))
    assert model.kind == "text" and model.suggest is not None and not model.choices


async def test_an_answer_ends_with_its_repairs_and_the_standard_buttons() -> None:
    view = answer(COMMAND, await answered(layers=32))
    buttons = [b for b in view.blocks if isinstance(b, Button | Link)]
    assert [b.label for b in buttons] == [
        "Use fp8",
        "Change inputs",
        "Assumptions",
        "Share",
        "Page",
    ]
    assert buttons[0] == Button("Use fp8", "fix", "0", "primary")
    assert buttons[-1] == Link("Page", "/r/abcdefghijklmnopqrstuv")


def test_a_refusal_names_option_value_nearest_example_and_reference() -> None:
    refusal = Refusal(
        message="I don't know that.", field="model", given="lama", nearest=("llama", "lambda"),
        example="llama",
    )  # fmt: skip
    view = answer(COMMAND, refused(refusal))
    assert view.tone == "refusal"
    assert view.blocks[:4] == (
        Heading((Bold("I don't know that."),)),
        Text(("You gave ", Code("model:lama"), ". ", "Closest: ", Bold("llama"), ", ",
              Bold("lambda"), ".")),
        Text(("For example: ", Code("model:llama"))),
        Note(("ref abcdef",)),
    )  # fmt: skip
    buttons = [b for b in view.blocks if isinstance(b, Button)]
    assert [b.label for b in buttons] == ["Use llama", "Use lambda", "Change inputs"]
    assert [b.style for b in buttons] == ["primary", "plain", "plain"]
    assert repaired(refused(refusal), 1) == {"layers": 0, "model": "lambda"}


async def test_what_is_only_offered_does_not_stand_out() -> None:
    outcome = await answered(layers=32)
    assert isinstance(outcome.result, KvResult)
    offered = [fix.model_copy(update={"optional": True}) for fix in outcome.result.fixes]
    result = outcome.result.model_copy(update={"fixes": offered})
    buttons = [b for b in answer(COMMAND, replace(outcome, result=result)).blocks
               if isinstance(b, Button)]  # fmt: skip
    assert {b.style for b in buttons} == {"plain"}


async def test_a_repair_changes_only_what_it_says() -> None:
    outcome = await answered(layers=32, input=64)
    assert repaired(outcome, 0) == {"layers": 32, "input": 64, "kv_dtype": "fp8"}
    with pytest.raises(LookupError):
        repaired(outcome, 1)
    with pytest.raises(LookupError):
        repaired(outcome, -1)


def test_changes_meet_inputs_under_either_name() -> None:
    assert with_inputs(TOOL, {"n_layers": 4, "input": 9}, {"layers": 8, "isl": 1}) == {
        "layers": 8,
        "input": 1,
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [(1480.4, "1,480"), (21.63, "21.6"), (0.16349, "0.163"), (999.6, "1,000"), (0, "0"),
     (123456, "123,000"), (float("nan"), "unknown"), (float("inf"), "unknown")],
)  # fmt: skip
def test_numbers_have_three_figures(value: float, words: str) -> None:
    assert number(value) == words


def test_a_result_without_fixes_has_no_repairs() -> None:
    outcome = Outcome("a" * 22, TOOL, {}, None, KvResult(kv_gib=1.0), None)
    with pytest.raises(LookupError):
        repaired(outcome, 0)


def test_wrong_inputs_are_refused_in_one_sentence() -> None:
    with pytest.raises(Refused) as caught:
        check_inputs(TOOL, {"layers": 0})
    assert caught.value.message == "layers must be at least 1."
    assert caught.value.refusal.field == "n_layers"


def test_a_refusal_with_nothing_near_offers_its_example() -> None:
    refusal = Refusal(message="Unknown.", field="model", given="x", example="llama")
    view = answer(COMMAND, refused(refusal))
    assert [b.label for b in view.blocks if isinstance(b, Button)] == ["Use llama", "Change inputs"]
    assert repaired(refused(refusal), 0) == {"layers": 0, "model": "llama"}


def unfinished(progress: Progress | None) -> Outcome:
    inputs: dict[str, JsonValue] = {"layers": 32, "kv_dtype": "fp8"}
    request = check_inputs(TOOL, inputs)
    return Outcome("a" * 22, TOOL, inputs, request, None, None, pending=progress)


def test_an_unfinished_run_is_shown_as_such_and_never_as_no_answer() -> None:
    (heading,) = answer(COMMAND, unfinished(None)).blocks
    assert isinstance(heading, Heading)
    assert "not finished yet" in plain(heading.words) and "/kv 32 fp8" in plain(heading.words)


def test_a_partial_result_is_shown_as_the_result_would_be() -> None:
    progress = Progress("a" * 22, "kv", "running", partial={"kv_gib": 0.5})
    view = answer(COMMAND, unfinished(progress))
    assert any(isinstance(b, Heading) and "0.500 GiB" in plain(b.words) for b in view.blocks)
    assert [b.label for b in view.blocks if isinstance(b, Button)] == ["Cancel"]


@pytest.mark.parametrize("partial", [{"kv_mib": 1}, {"kv_gib": "much"}, {}])
def test_a_partial_result_that_is_none_is_left_out(partial: dict[str, JsonValue]) -> None:
    view = answer(COMMAND, unfinished(Progress("a" * 22, "kv", "running", partial=partial)))
    assert len([b for b in view.blocks if isinstance(b, Heading)]) == 1


def test_a_run_is_named_by_its_command_or_by_what_was_typed() -> None:
    request = check_inputs(TOOL, {"layers": 32})
    named = replace(COMMAND, subject=lambda request: f"{request.n_layers}  layers")
    assert run_name(named, {}, request) == "32 layers"
    assert run_name(COMMAND, {"model": "a\n b", "n_layers": 3}, None) == "/kv 3 a b"
    assert len(run_name(COMMAND, {"model": "x" * 500}, request)) == NAME
