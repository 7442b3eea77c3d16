"""Ranges are wider where little was measured, and say so; the nearest measurement is near."""

from __future__ import annotations

import pytest

from compute.throughput.estimate import estimate
from compute.throughput.interval import widths_for
from compute.throughput.why import bound_of, compute_bound_at, shares_of
from tests.compute.throughput.known import LIBRARY, question


def _half(**fields: object) -> float:
    asked = question(**fields)
    return widths_for(asked.deployment, LIBRARY.evidence, LIBRARY.parameters).half["output_tps"]


def test_thin_evidence_widens_the_range_and_is_named() -> None:
    assert _half(gpu="h100") < _half(gpu="h20") < _half(gpu="t4")
    assert _half(gpu="h100") < _half(gpu="h100", model="Qwen/Qwen3.6-27B")
    asked = question(gpu="t4", model="llama-3.2-3b")
    widths = widths_for(asked.deployment, LIBRARY.evidence, LIBRARY.parameters)
    assert "few or none on Turing GPUs" in widths.why


def test_a_range_surrounds_its_value_evenly_in_ratio() -> None:
    widths = widths_for(question().deployment, LIBRARY.evidence, LIBRARY.parameters)
    found = widths.around("ttft_ms", 100.0)
    assert found.high / 100.0 == pytest.approx(100.0 / found.low)


def test_a_measured_configuration_finds_itself() -> None:
    row = next(row for row in LIBRARY.measurements if row.metric == "output_tps" and row.tp)
    asked = question(
        gpu=row.gpu,
        model=row.model,
        gpus=row.n_gpus,
        input=row.isl,
        output=row.osl,
        batch="max" if row.concurrency is None else row.concurrency,
        dtype=row.weight_dtype,
        kv_dtype=row.kv_dtype,
        engine=row.engine,
        parallel=f"tp{row.tp}",
    )
    found = estimate(asked, LIBRARY).measured
    assert found is not None
    assert (found.value, found.source, found.url) == (row.value, row.source, row.url)


def test_nothing_is_shown_where_nothing_is_near() -> None:
    assert estimate(question(gpu="m1", model="gemma-3-1b-it"), LIBRARY).measured is None


def test_the_bound_turns_to_compute_where_it_says() -> None:
    asked = question(gpu="h100", model="llama-3.1-8b", input=128, output=128)
    rates = asked.rates
    turns = compute_bound_at(rates, 192.0)
    assert turns is not None
    below = asked.served(max(1, turns // 2)).step
    above = asked.served(turns * 2).step
    assert (bound_of(below), bound_of(above)) == ("memory", "compute")
    assert sum(shares_of(above).values()) == pytest.approx(1.0)


def test_long_contexts_of_many_are_bound_by_memory_for_good() -> None:
    asked = question(gpu="h100", model="llama-2-7b", input=4000, output=100)
    assert compute_bound_at(asked.rates, 4050.0) is None
