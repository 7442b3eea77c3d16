"""What can be wrong with a file of the catalogue, said so that its editor finds the cell."""

from __future__ import annotations


class CatalogueError(Exception):
    """A catalogue file is broken: which file, row (1-based, as an editor counts) and column."""

    def __init__(self, file: str, row: int, column: str, found: str, allowed: str) -> None:
        super().__init__(f"{file}, row {row}, column {column}: found {found}; allowed: {allowed}")
        self.file = file
        self.row = row
        self.column = column
        self.found = found
        self.allowed = allowed
