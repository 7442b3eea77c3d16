"""The tables of docs/what-utilization-really-is.md are what the functions behind /cost say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from compute.cost import size_fleet
from compute.cost.waiting import most_load
from content.tables import CATALOGUE

PAGE = Path(__file__).parents[1] / "docs" / "what-utilization-really-is.md"
DEMANDS = tuple(Decimal(text) for text in ("0.02", "0.1", "0.5", "2", "10", "100"))


def rows(first_cell: str) -> Iterator[list[str]]:
    """The cells of every table row whose first cell looks like that."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(first_cell, cells[0]):
            yield cells


def test_every_profile_of_the_table_is_sized_as_it_says() -> None:
    text = (CATALOGUE / "traffic_profiles.json").read_text(encoding="utf-8")
    profiles = json.loads(text)["profiles"]
    found = list(rows(r"[a-z]+-[a-z0-9-]+"))
    assert len(found) == 5
    for name, *cells in found:
        for demand, cell in zip(DEMANDS, cells, strict=True):
            sizes = [size_fleet(profiles[name], demand, scaling=s).utilization
                     for s in ("static", "autoscaled")]  # fmt: skip
            assert cell == " / ".join(f"{size:.0%}".removesuffix("%") for size in sizes)


def test_the_head_room_table_is_erlangs_formula() -> None:
    found = list(rows(r"[\d,]+"))
    assert len(found) == 3
    for slots, even, bursts in found:
        size = float(slots.replace(",", ""))
        for told, peakedness in ((even, 1.0), (bursts, 4.0)):
            load = most_load(size / peakedness, 0.01) * peakedness / size
            assert int(told.removesuffix("%")) == pytest.approx(100 * load, abs=0.6)


def test_its_pictures_are_there() -> None:
    for path in re.findall(r"pictures/[\w-]+\.png", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / path).read_bytes().startswith(b"\x89PNG")
