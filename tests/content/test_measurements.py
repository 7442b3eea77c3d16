"""Measurements are typed, refer to known GPUs and models, and a wrong cell is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from content.errors import CatalogueError
from content.measurements import load_measurements
from content.tables import CATALOGUE
from content.validate import validate_catalogues


def test_the_catalogues_in_the_repository_are_whole() -> None:
    validate_catalogues()
    rows = load_measurements()
    assert len(rows) == 1137
    assert sum(row.concurrency is None for row in rows) == 333
    assert all(row.source and row.url and row.date for row in rows)


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        ("metric", "speed", "output_tps"),
        ("value", "0", "greater than 0"),
        ("isl", "1.5", "whole number"),
        ("concurrency", "many", "whole number"),
        ("tp", "zero", "number"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, column: str, value: str, allowed: str) -> None:
    header, first = (CATALOGUE / "measurements.csv").read_text(encoding="utf-8").split("\n")[:2]
    cells = first.split(",")
    cells[header.split(",").index(column)] = value
    path = tmp_path / "measurements.csv"
    path.write_text(f"{header}\n{','.join(cells)}\n", encoding="utf-8")
    with pytest.raises(CatalogueError) as raised:
        load_measurements(path)
    assert (raised.value.row, raised.value.column) == (2, column)
    assert allowed in raised.value.allowed
