"""Batch files: one answer a line, in the order asked, with its id, whatever stands between."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from compute.throughput.jsonl import answer_lines
from tests.compute.throughput.known import LIBRARY

GOOD: dict[str, Any] = {"gpu": "H100-SXM", "model": "meta-llama/Llama-3.1-8B"}
values = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(), st.text(max_size=20),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=5), st.integers()),
)  # fmt: skip
FIELDS = (
    "gpu", "model", "n_gpus", "tp", "pp", "ep", "weight_dtype", "kv_dtype", "isl", "osl",
    "concurrency", "engine", "metric", "config", "prefix_cache_hit_rate", "cached",
    "num_speculative_tokens", "draft_model", "draft", "acceptance_rate", "acceptance_length",
)  # fmt: skip


def lines_of(records: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(record) for record in records]


def answers(lines: list[str]) -> list[dict[str, Any]]:
    out = io.StringIO()
    answer_lines(lines, out, LIBRARY)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), values, max_size=3), max_size=12))
def test_answers_stand_in_the_order_of_their_questions(broken: list[dict[str, Any]]) -> None:
    asked = [{**GOOD, **changes, "id": f"line {place}"} for place, changes in enumerate(broken)]
    found = answers(lines_of(asked))
    assert [answer["id"] for answer in found] == [record["id"] for record in asked]
    for answer in found:
        assert ("error" in answer) != ("value" in answer)
        assert answer.get("error", "a sentence.").endswith((".", "!", "?"))
        if "value" in answer:
            assert 0 < answer["low"] <= answer["value"] <= answer["high"] < float("inf")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(("good", "", "not json", "[1]", "good")), max_size=10))
def test_lines_that_are_no_requests_keep_their_place(kinds: list[str]) -> None:
    lines = [
        json.dumps({**GOOD, "id": place}) if kind == "good" else kind
        for place, kind in enumerate(kinds)
    ]
    found = answers(lines)
    expected = [place if kind == "good" else None for place, kind in enumerate(kinds) if kind]
    assert [answer["id"] for answer in found] == expected


def test_a_line_does_not_depend_on_those_around_it() -> None:
    asked = [
        {**GOOD, "id": 1, "draft": "eagle"},
        {**GOOD, "id": 2},
        {**GOOD, "id": 3, "cached": 0.9, "isl": 9000},
    ]
    together = answers(lines_of(asked))
    alone = [answers(lines_of([record]))[0] for record in reversed(asked)]
    assert together == alone[::-1]
