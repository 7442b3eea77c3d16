"""Facts and tables as aligned lines that a phone does not wrap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bot.render.columns import facts_lines, table_lines
from bot.view import CODE_COLUMNS, Facts, Table


def test_facts_are_aligned_and_narrow() -> None:
    rows = (("weights", "68.1 GiB"), ("bound by", "memory: weights 71 %, KV 12 %, link 9 %"))
    assert facts_lines(Facts(rows)) == [
        "weights   68.1 GiB",
        "bound by  memory: weights 71 %, KV",
        "          12 %, link 9 %",
    ]


def test_a_table_lines_up_its_numbers_on_the_right() -> None:
    table = Table(("GPU", "tok/s", "TTFT"), (("H100", "1,480", "310 ms"), ("B200", "90", "9 ms")))
    assert table_lines(table) == [
        "GPU   tok/s    TTFT",
        "H100  1,480  310 ms",
        "B200     90    9 ms",
    ]


def test_a_table_that_is_too_wide_shortens_its_label_and_then_becomes_a_list() -> None:
    row = ("a very long label indeed", "1,480", "90", "310 ms")
    lines = table_lines(Table(("GPU", "tok/s", "/user", "TTFT"), (row,)))
    assert len(lines) == 2 and lines[1].startswith("a very") and "…" in lines[1]
    wide = tuple(f"value number {i}" for i in range(6))
    stacked = table_lines(Table(tuple(f"column {i}" for i in range(6)), (wide,)))
    assert stacked[0] == "value number 0" and stacked[1] == "  column 1  value number 1"


words = st.text(max_size=60)


@given(st.lists(st.tuples(words, words), max_size=6))
def test_facts_never_get_wider_than_a_phone(rows: list[tuple[str, str]]) -> None:
    assert all(cell_len(line) <= CODE_COLUMNS for line in facts_lines(Facts(tuple(rows))))


@given(st.integers(0, 5), st.lists(st.lists(words, max_size=6), max_size=5), words)
def test_tables_never_get_wider_than_a_phone(
    columns: int, rows: list[list[str]], title: str
) -> None:
    head = tuple(f"column {place}" for place in range(columns))
    lines = table_lines(Table(head, tuple(tuple(row) for row in rows), title))
    assert all(cell_len(line) <= CODE_COLUMNS for line in lines)
