from __future__ import annotations

import pytest

from compute.inputs import SHOWN, check_inputs, shown
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult
from compute.tool import Context, Refusal, Refused, Tool


async def unused(request: ThroughputRequest, ctx: Context) -> ThroughputResult:
    raise AssertionError("checking inputs runs nothing")


TOOL = Tool("throughput", "Throughput", "speed", ThroughputRequest, ThroughputResult, unused)
GOOD = {"gpu": "h100", "model": "llama"}


def refusal(**inputs: object) -> Refusal:
    with pytest.raises(Refused) as caught:
        check_inputs(TOOL, {**GOOD, **inputs})  # type: ignore[dict-item]
    return caught.value.refusal


def test_short_names_and_field_names_mean_the_same() -> None:
    assert check_inputs(TOOL, {**GOOD, "gpus": 2, "batch": 8}) == check_inputs(
        TOOL, {**GOOD, "n_gpus": "2", "concurrency": "8"}
    )


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"gpus": 0}, "gpus must be at least 1."),
        ({"gpus": -1}, "gpus must be at least 1."),
        ({"gpus": 10**18}, "gpus must be at most 4,096."),
        ({"gpus": 1.5}, "gpus must be a whole number."),
        ({"gpus": "many"}, "gpus must be a whole number."),
        ({"batch": "many"}, "batch must be a whole number or max."),
        ({"batch": 10**400}, "batch must be at most 1,000,000 or max."),
        ({"rate": float("nan")}, "rate must be a finite number."),
        ({"rate": float("inf")}, "rate must be a finite number."),
        ({"rate": 0}, "rate must be more than 0."),
        ({"model": "m" * 6000}, "model must be at most 200 characters."),
        ({"model": "   "}, "model must be 1 or more characters."),
        ({"model": None}, "model must be text."),
        ({"gpu": ["h100"]}, "gpu must be text or the numbers of a GPU."),
    ],
)
def test_a_wrong_value_is_one_sentence_naming_option_and_range(
    inputs: dict[str, object], sentence: str
) -> None:
    assert refusal(**inputs).message == sentence


def test_a_missing_option_says_what_it_is_for() -> None:
    with pytest.raises(Refused) as caught:
        check_inputs(TOOL, {"gpu": "h100"})
    assert caught.value.message.startswith("The option model is missing: model from the catalogue")
    assert caught.value.refusal.example == "meta-llama/Llama-3.1-8B"


def test_an_unknown_option_lists_the_known_ones() -> None:
    assert refusal(gpuz=1).message.startswith("There is no option gpuz. Options: gpu, model,")


def test_every_engine_is_named_when_one_is_wrong() -> None:
    answer = refusal(engine="triton\u202eserver\n@everyone")
    assert "vllm" in answer.message and "llama.cpp" in answer.message
    assert answer.given == "triton server @everyone"


def test_what_a_stranger_typed_is_short_and_on_one_line() -> None:
    text = shown("a\u202eb\x00c\nd" + "x" * 6000)
    assert text.startswith("a b c d") and len(text) == SHOWN and text.isprintable()


def test_an_option_given_under_both_names_is_asked_for_once() -> None:
    message = refusal(batch=4, concurrency=8).message
    assert message == "batch and concurrency are one option: give it once."


def test_what_an_object_lacks_is_named() -> None:
    message = refusal(gpu={"mem_gb": 80, "mem_bw_gbs": 3350}).message
    assert message == "gpu must be text or an object with fp16_dense_tflops."
