"""Reading a CSV of the catalogue cell by cell, so that a wrong cell can be named."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from content.errors import CatalogueError

CATALOGUE = Path(__file__).parent / "catalogue"


@dataclass(frozen=True)
class Row:
    """One row; every getter raises ``CatalogueError`` with file, row and column."""

    file: str
    number: int
    cells: Mapping[str, str]

    def wrong(self, column: str, allowed: str) -> CatalogueError:
        """The error for this row's ``column``."""
        found = repr(self.cells.get(column, ""))[:80]
        return CatalogueError(self.file, self.number, column, found, allowed)

    def text(self, column: str) -> str:
        """A text that must not be empty."""
        value = self.cells[column].strip()
        if not value:
            raise self.wrong(column, "a text that is not empty")
        return value

    def maybe(self, column: str) -> str:
        """A text that may be empty."""
        return self.cells[column].strip()

    def number_above(self, column: str, least: float = 0.0) -> float:
        """A number greater than ``least``."""
        value = self._float(column)
        if value is None or value <= least:
            raise self.wrong(column, f"a number greater than {least:g}")
        return value

    def maybe_number(self, column: str) -> float | None:
        """A number of at least 0, or nothing."""
        if not self.cells[column].strip():
            return None
        value = self._float(column)
        if value is None or value < 0:
            raise self.wrong(column, "a number of at least 0, or empty")
        return value

    def maybe_count(self, column: str) -> int | None:
        """A whole number of at least 1, or nothing."""
        value = self.maybe_number(column)
        if value is not None and (value < 1 or value != int(value)):
            raise self.wrong(column, "a whole number of at least 1, or empty")
        return None if value is None else int(value)

    def count(self, column: str, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        value = self._float(column)
        if value is None or value < least or value != int(value):
            raise self.wrong(column, f"a whole number of at least {least}")
        return int(value)

    def _float(self, column: str) -> float | None:
        try:
            value = float(self.cells[column])
        except ValueError:
            return None
        return value if math.isfinite(value) else None


def read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """Every row of ``path``, which must have ``columns``. Raises ``CatalogueError``."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            _check_header(path, tuple(reader.fieldnames or ()), columns)
            for cells in reader:
                yield _whole_row(path, reader.line_num, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogueError(path.name, 0, "-", str(error), "a readable CSV file") from error


def _check_header(path: Path, found: tuple[str, ...], needed: tuple[str, ...]) -> None:
    for column in needed:
        if column not in found:
            raise CatalogueError(path.name, 1, column, "no such column", "; ".join(needed))


def _whole_row(path: Path, number: int, cells: Mapping[str | None, str | None]) -> Row:
    for column, value in cells.items():
        if column is None:
            raise CatalogueError(path.name, number, "-", "too many cells", "one per column")
        if value is None:
            raise CatalogueError(path.name, number, column, "no cell", "one cell per column")
    plain = {str(column): str(value) for column, value in cells.items()}
    return Row(path.name, number, plain)
