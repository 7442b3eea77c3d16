"""Facts and tables as aligned lines of a code block, narrow enough for a phone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

from bot.render.markup import one_line
from bot.view import CODE_COLUMNS, Facts, Table

GAP = 2
NAME_COLUMNS = 14  # a fact's name; longer ones are shortened so that values keep their room
LABEL_COLUMNS = 8  # what a table's first column keeps when the numbers need the room

_NUMBER = re.compile(r"[~<>≈±]?[-+−]?[$€]?\d[\d,.–-]*\s?\S{0,8}")


def facts_lines(facts: Facts, width: int = CODE_COLUMNS) -> list[str]:
    """One line a fact, values aligned; a long value goes on below itself."""
    rows = [(_short(one_line(name), NAME_COLUMNS), one_line(value)) for name, value in facts.rows]
    indent = max((cell_len(name) for name, _ in rows), default=0) + GAP
    lines: list[str] = []
    for name, value in rows:
        first, *more = _wrapped(value, width - indent) or [""]
        lines.append(f"{set_cell_size(name, indent)}{first}".rstrip())
        lines += [" " * indent + line for line in more]
    return lines


def table_lines(table: Table, width: int = CODE_COLUMNS) -> list[str]:
    """An aligned table; where it cannot fit, each row becomes a small list of its own."""
    head = [one_line(cell) for cell in table.columns]
    rows = [_even([one_line(cell) for cell in row], len(head)) for row in table.rows]
    title = [_short(one_line(table.title), width)] if table.title else []
    for gap in (GAP, 1):
        widths = _widths(head, rows, width, gap)
        if widths is not None:
            right = [is_numeric([row[place] for row in rows]) for place in range(len(head))]
            return title + [_line(row, widths, right, gap) for row in [head, *rows]]
    return title + [line for row in rows for line in _stacked(head, row, width)]


def _even(row: list[str], length: int) -> list[str]:
    return (row + [""] * length)[:length]


def _widths(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int, gap: int
) -> list[int] | None:
    """The columns' widths if the table fits; only the first, the label, may be shortened."""
    widths = [max(cell_len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    over = sum(widths) + gap * (len(widths) - 1) - width
    if over > 0:
        if not widths or widths[0] - over < min(LABEL_COLUMNS, widths[0]):
            return None
        widths[0] -= over
    return widths


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether most of a column's filled cells are numbers, which stand at its right."""
    filled = [cell for cell in cells if cell]
    return bool(filled) and sum(bool(_NUMBER.fullmatch(c)) for c in filled) * 2 > len(filled)


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool], gap: int) -> str:
    cells = []
    for cell, width, to_right in zip(row, widths, right, strict=True):
        short = _short(cell, width)
        pad = " " * (width - cell_len(short))
        cells.append(pad + short if to_right else short + pad)
    return (" " * gap).join(cells).rstrip()


def _stacked(head: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    pairs = tuple((name, cell) for name, cell in zip(head[1:], row[1:], strict=True) if cell)
    label = _wrapped(row[0], width) if row else []
    return label + [f"  {line}" for line in facts_lines(Facts(pairs), width - 2)]


def _short(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def _wrapped(text: str, width: int) -> list[str]:
    """``text`` on lines of at most ``width`` cells, broken between words where possible."""
    lines: list[str] = []
    current = ""
    for word in text.split():
        joined = f"{current} {word}" if current else word
        if cell_len(joined) <= width:
            current = joined
            continue
        lines += [current] if current else []
        *whole, current = chop_cells(word, width)
        lines += whole
    return lines + ([current] if current else [])
