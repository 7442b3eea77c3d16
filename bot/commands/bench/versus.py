"""Two runs of an operator side by side: what became faster or slower, beyond doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from bot.commands.bench.cells import short_name, time_ms
from bot.view import Block, Bold, Heading, Note, Table, View
from compute.bench.comparing import Pair, compare, warnings
from compute.bench.index import SHORT
from compute.bench.report import report_of
from compute.bench.result import BenchResult

MOST_ROWS = 12
MARKS = {"faster": "+", "slower": "-", "unstable": "!", "no difference": "~"}
LEGEND = "+ faster, - slower, ~ no difference (quartiles overlap, or less than 3 %), ! unstable"


def alike(result: Mapping[str, JsonValue]) -> object:
    """Runs with the same value can be compared: the same operator in the same dtype."""
    return (result.get("op"), result.get("dtype"))


def versus(before: BenchResult, after: BenchResult) -> View:
    """The earlier run against the later one; the cells that both measured."""
    first, second = report_of("", [before]), report_of("", [after])
    pairs = compare(first, second)
    blocks: list[Block] = [Heading((Bold(_headline(after, pairs)),))]
    for shape in dict.fromkeys(pair.before.shape for pair in pairs[-MOST_ROWS:]):
        rows = [pair for pair in pairs[-MOST_ROWS:] if pair.before.shape == shape]
        blocks.append(_table(shape, rows))
    if pairs:
        blocks.append(Note((LEGEND,)))
    left = len(pairs) - MOST_ROWS
    blocks += [Note((f"{left} more cells stand in both.",))] if left > 0 else []
    blocks += [Note((text,)) for text in warnings(first, second)]
    return View(tuple(blocks), tone="notice")


def _headline(result: BenchResult, pairs: Sequence[Pair]) -> str:
    name = f"{result.op} {SHORT.get(result.dtype, result.dtype)}"
    counted = Counter(pair.verdict for pair in pairs)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counted.most_common())
    return f"{name}: {said or 'no shape was measured in both runs'}"


def _table(shape: str, pairs: Sequence[Pair]) -> Table:
    cells = tuple(
        (
            short_name(pair.before.implementation),
            time_ms(pair.before.median_ms),
            time_ms(pair.after.median_ms),
            f"{pair.ratio:.2f}{MARKS[pair.verdict]}",
        )
        for pair in pairs
    )
    return Table(("", "ms", "then", "x"), cells, title=shape)
