"""Splits as people write them, checked against the model and the number of GPUs."""

from __future__ import annotations

import pytest

from compute.throughput.parallel import choose_layout, parse_parallel
from compute.tool import Refused
from tests.compute.throughput.known import device, spec


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", {}),
        ("tp8", {"tp": 8}),
        ("TP4xPP2", {"tp": 4, "pp": 2}),
        ("tp=8 ep=8", {"tp": 8, "ep": 8}),
        ("tp8xdp8", {"tp": 8, "dp": 8}),
    ],
)
def test_splits_are_read(text: str, parts: dict[str, int]) -> None:
    assert parse_parallel(text) == parts


@pytest.mark.parametrize("text", ["8", "tp", "tp0", "tp8tp4", "zz8", "tp-1", "tp8; rm -rf", "🦆"])
def test_what_is_no_split_is_refused(text: str) -> None:
    with pytest.raises(Refused) as raised:
        parse_parallel(text)
    assert raised.value.refusal.field == "parallel"


@pytest.mark.parametrize(
    ("text", "gpus", "model", "reason"),
    [
        ("tp8", 4, "llama-3.1-8b", "needs 8 GPUs"),
        ("tp3", 4, "llama-3.1-8b", "can't be divided into groups"),
        ("tp6", 6, "llama-3.1-8b", "attention heads"),
        ("pp64", 64, "llama-3.1-8b", "layers"),
        ("tp8xep8", 8, "llama-3.1-8b", "no experts"),
        ("tp8xep3", 8, "deepseek-r1", "expert groups"),
    ],
)
def test_impossible_splits_say_why(text: str, gpus: int, model: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        choose_layout(parse_parallel(text), gpus, spec(model), device("h100"), "vllm")


@pytest.mark.parametrize(
    ("gpus", "engine", "split"),
    [
        (1, "vllm", (1, 1, 1)),
        (8, "vllm", (8, 1, 1)),
        (16, "vllm", (8, 2, 1)),
        (4, "llama.cpp", (1, 4, 1)),
        (6, "vllm", (2, 3, 1)),
    ],
)
def test_the_usual_split(gpus: int, engine: str, split: tuple[int, int, int]) -> None:
    layout = choose_layout({}, gpus, spec("llama-3.1-70b"), device("h100"), engine)
    assert (layout.tp, layout.pp, layout.replicas) == split


def test_gpus_beyond_the_split_hold_copies() -> None:
    layout = choose_layout({"tp": 2}, 8, spec("llama-3.1-8b"), device("h100"), "vllm")
    assert (layout.tp, layout.replicas) == (2, 4)


def test_any_number_of_gpus_can_be_laid_out() -> None:
    for gpus in (1, 2, 3, 5, 7, 12, 100, 4095, 4096):
        for model in ("llama-3.1-8b", "deepseek-r1", "gpt-oss-20b"):
            layout = choose_layout({}, gpus, spec(model), device("h100"), "vllm")
            assert layout.tp * layout.pp * layout.replicas == gpus
