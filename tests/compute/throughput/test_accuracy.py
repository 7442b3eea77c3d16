"""The estimator stays as close to published measurements as it was when it was calibrated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from compute.throughput.calibrate import starting_point
from compute.throughput.cases import Case, build_cases
from compute.throughput.fitting import fit, log_errors
from compute.throughput.interval import widths_for
from compute.throughput.parameters import FILE, load_definitions
from compute.throughput.report import DOCS as PAGE
from compute.throughput.scores import coverage, score, spearman
from tests.compute.throughput.known import LIBRARY


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return build_cases(LIBRARY.measurements, LIBRARY.gpus, LIBRARY.models)


@pytest.fixture(scope="module")
def errors(cases: list[Case]) -> list[float]:
    return log_errors(cases, LIBRARY.parameters)


def _of(cases: Sequence[Case], errors: Sequence[float], field: str, name: str) -> list[float]:
    return [
        error for case, error in zip(cases, errors, strict=True) if getattr(case.row, field) == name
    ]


def test_half_of_all_measurements_are_met_within_11_percent(
    cases: list[Case], errors: list[float]
) -> None:
    found = score(errors)
    assert found.rows == 1137
    assert found.mdape < 0.11
    assert found.within > 0.82
    assert 0.93 < found.bias < 1.07
    predicted = [case.row.value * math.exp(e) for case, e in zip(cases, errors, strict=True)]
    assert spearman([case.row.value for case in cases], predicted) > 0.985


@pytest.mark.parametrize("model_class", ["dense", "moe", "moe-mla"])
def test_no_kind_of_model_is_far_off(
    cases: list[Case], errors: list[float], model_class: str
) -> None:
    assert score(_of(cases, errors, "model_class", model_class)).mdape < 0.14


@pytest.mark.parametrize(
    ("metric", "most"),
    [
        ("output_tps", 0.11),
        ("total_tps", 0.11),
        ("decode_tps_user", 0.11),
        ("prefill_tps", 0.13),
        ("ttft_ms", 0.30),
    ],
)
def test_no_metric_is_far_off(
    cases: list[Case], errors: list[float], metric: str, most: float
) -> None:
    assert score(_of(cases, errors, "metric", metric)).mdape < most


def test_the_range_holds_more_of_what_it_was_fitted_to_than_80_percent(
    cases: list[Case], errors: list[float]
) -> None:
    assert 0.8 < coverage(cases, errors, LIBRARY.parameters) < 0.97


def test_half_of_the_ranges_span_less_than_a_factor_of_two(cases: list[Case]) -> None:
    spans = []
    for case in cases:
        widths = widths_for(case.deployment, LIBRARY.evidence, LIBRARY.parameters)
        found = widths.around(case.row.metric, 1.0)
        spans.append(found.high / found.low)
    assert sorted(spans)[len(spans) // 2] <= 2.0


@pytest.mark.parametrize("left_out", ["source", "gpu", "architecture"])
def test_the_parameters_in_force_met_what_was_left_out(left_out: str) -> None:
    _, provenance = load_definitions(FILE)
    assert provenance[f"mdape_without_{left_out}"] <= 0.15


def test_every_parameter_is_inside_its_bounds_and_documented() -> None:
    definitions, provenance = load_definitions(FILE)
    assert provenance["rows"] == 1137
    for item in definitions:
        assert item.low <= item.value <= item.high
        assert item.low <= item.prior <= item.high
        assert item.unit
        assert len(item.meaning) > 8
        assert f"`{item.name}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_source_nobody_fitted_to_is_met_within_15_percent(cases: list[Case]) -> None:
    definitions, _ = load_definitions(FILE)
    kept = [case for case in cases if "v1.0" not in case.row.source]
    held = [case for case in cases if "v1.0" in case.row.source]
    fitted = fit(kept, definitions, starting_point(definitions), 4)
    assert score(log_errors(held, fitted)).mdape < 0.15
