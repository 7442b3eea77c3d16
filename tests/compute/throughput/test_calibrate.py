"""The calibration finds parameters back, writes them whole, and its tables land at their marks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from compute.throughput.calibrate import architecture, half_widths, starting_point
from compute.throughput.cases import Case, build_cases, predict
from compute.throughput.fitting import Problem, fit, folds, row_weights
from compute.throughput.parameters import (
    FILE,
    load_definitions,
    load_parameters,
    save_definitions,
)
from compute.throughput.report import replace_between
from compute.throughput.scores import score, spearman
from tests.compute.throughput.known import LIBRARY


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    rows = [row for row in LIBRARY.measurements if row.source.startswith("gpt-fast")]
    return build_cases(rows, LIBRARY.gpus, LIBRARY.models)


def test_a_known_parameter_is_found_back(cases: list[Case]) -> None:
    definitions = [
        replace(item, spread=5.0 if item.name == "bandwidth.hbm" else 0.0)
        for item in load_definitions(FILE)[0]
    ]
    truth = LIBRARY.parameters.replaced({"bandwidth.hbm": 0.6})
    made = [replace(case, row=replace(case.row, value=predict(case, truth))) for case in cases]
    found = fit(made, definitions, LIBRARY.parameters, 12)
    assert found["bandwidth.hbm"] == pytest.approx(0.6, rel=0.02)


def test_slopes_are_those_of_the_whole_model(cases: list[Case]) -> None:
    definitions, _ = load_definitions(FILE)
    problem = Problem(cases, definitions, LIBRARY.parameters)
    point, every = problem.point(LIBRARY.parameters), problem.places_of_all()
    errors = problem.errors(point, every)
    slopes = problem.slopes(point, errors, every)
    for column, item in enumerate(problem.free):
        moved = point.copy()
        moved[column] += 1e-3 if point[column] + 1e-3 < problem.high[column] else -1e-3
        expected = (problem.errors(moved, every) - errors) / (moved[column] - point[column])
        assert slopes[:, column] == pytest.approx(expected, abs=1e-9), item.name


def test_what_is_left_out_does_not_move_the_parameters(cases: list[Case]) -> None:
    definitions = [
        replace(item, spread=0.2 if item.name == "bandwidth.hbm" else 0.0)
        for item in load_definitions(FILE)[0]
    ]
    names = ["odd" if place == 0 else "rest" for place in range(len(cases))]
    wrong = replace(cases[0], row=replace(cases[0].row, value=1e-3))
    plain, bent = (
        {held.tolist()[0]: found for held, found in folds(problem, LIBRARY.parameters, names, 9)}
        for problem in (
            Problem(cases, definitions, LIBRARY.parameters),
            Problem([wrong, *cases[1:]], definitions, LIBRARY.parameters),
        )
    )
    assert bent[0].values == pytest.approx(dict(plain[0].values))
    assert bent[1]["bandwidth.hbm"] != pytest.approx(plain[1]["bandwidth.hbm"], rel=1e-3)


def test_a_chat_and_a_base_model_are_one_architecture() -> None:
    every = build_cases(LIBRARY.measurements, LIBRARY.gpus, LIBRARY.models)
    names = {case.row.model: architecture(case) for case in every}
    assert names["meta-llama/Llama-3.1-70B"] == names["meta-llama/Llama-3.3-70B-Instruct"]
    assert names["openai/gpt-oss-20b"] != names["openai/gpt-oss-120b"]


def test_a_published_median_is_compared_with_the_median() -> None:
    rows = [row for row in LIBRARY.measurements if row.metric == "ttft_ms" and row.concurrency == 4]
    case = build_cases(rows[:1], LIBRARY.gpus, LIBRARY.models)[0]
    mean, median = (
        predict(replace(case, row=replace(case.row, notes=notes)), LIBRARY.parameters)
        for notes in ("TTFT at that concurrency", "random dataset; median")
    )
    assert 0.3 * mean < median < mean


def test_near_copies_count_as_the_root_of_their_number(cases: list[Case]) -> None:
    weights = row_weights([*cases[:1]] * 4)
    assert weights.tolist() == [0.5] * 4


def test_parameters_are_written_and_read_back(tmp_path: Path) -> None:
    definitions, _ = load_definitions(FILE)
    path = tmp_path / "parameters.toml"
    save_definitions(definitions, LIBRARY.parameters, {"rows": 3, "what": "test"}, path)
    assert load_parameters(path).values == pytest.approx(dict(LIBRARY.parameters.values))
    assert load_definitions(path)[1] == {"rows": 3, "what": "test"}


def test_a_value_out_of_bounds_is_named(tmp_path: Path) -> None:
    path = tmp_path / "parameters.toml"
    path.write_text(FILE.read_text(encoding="utf-8").replace("low = 0.5", "low = 0.99", 1))
    with pytest.raises(ValueError, match=r"bandwidth\.hbm"):
        load_parameters(path)


def test_what_is_not_fitted_keeps_its_value() -> None:
    definitions, _ = load_definitions(FILE)
    start = starting_point(definitions)
    for item in definitions:
        assert start[item.name] == (item.prior if item.spread else item.value)


def test_half_widths_hold_four_in_five(cases: list[Case]) -> None:
    errors = [0.1 * place for place in range(len(cases))]
    (width,) = half_widths(cases, [errors]).values()
    assert sum(error <= width for error in errors) / len(errors) == pytest.approx(0.8, abs=0.1)


def test_scores() -> None:
    found = score([math.log(1.1), math.log(0.5), 0.0])
    assert found.mdape == pytest.approx(0.1)
    assert found.within == pytest.approx(2 / 3)
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 1, 2], [1, 1, 2]) == pytest.approx(1.0)


def test_a_table_replaces_what_stood_at_its_mark() -> None:
    page = "a\n<!-- x -->\nold\n<!-- end x -->\nb"
    assert replace_between(page, "x", ["new"]) == "a\n<!-- x -->\nnew\n<!-- end x -->\nb"
    with pytest.raises(ValueError, match="no <!-- y -->"):
        replace_between(page, "y", [])
