"""View -> terminal, through rich: the same blocks, a table instead of aligned code."""

from __future__ import annotations

import math
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Styled

from bot.render.numbers import short_number
from bot.view import (
    Anchor,
    Block,
    Bold,
    Button,
    Chart,
    Code,
    Facts,
    File,
    Heading,
    Link,
    Menu,
    Note,
    Series,
    Table,
    Text,
    View,
    Words,
)

BARS = "▏▎▍▌▋▊▉█"
BAR_COLUMNS = 30
MOST_POINTS = 12  # of a line that is shown whole
FEW_POINTS = 7


def print_view(console: Console, view: View) -> None:
    """Print the whole answer; buttons and pages have no place in a terminal."""
    shown = [part for block in view.blocks if (part := _block(block)) is not None]
    console.print(Group(*shown))


def _block(block: Block) -> RenderableType | None:
    match block:
        case Heading(words) | Text(words):
            return _words(words)
        case Note(words):
            return Styled.assemble(_words(words), style="dim")
        case Facts(rows):
            return Padding(_grid(rows), (0, 2))
        case Table():
            return _table(block)
        case Chart():
            return _chart(block)
        case File(name):
            return Styled(f"file: {name}", style="dim")
        case Link() | Button() | Menu():
            return None


def _words(words: Words) -> Styled:
    """Spans to styles; control characters of strangers never reach the terminal."""
    line = Styled()
    for span in words:
        match span:
            case "\n":  # a blank line that a command put there itself
                line.append(span)
            case str():
                line.append(printable(span))
            case Bold(text):
                line.append(printable(text), style="bold")
            case Code(text):
                line.append(printable(text), style="cyan")
            case Anchor(text, url):
                line.append(printable(text), style=f"link {url}")
    return line


def printable(text: str) -> str:
    """``text`` without escape sequences or other invisible characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def _grid(rows: tuple[tuple[str, str], ...]) -> Grid:
    grid = Grid.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(Styled(printable(name), style="dim"), Styled(printable(value)))
    return grid


def _table(table: Table) -> Grid:
    grid = Grid(title=table.title or None, title_justify="left", box=None, pad_edge=False)
    for place, column in enumerate(table.columns):
        grid.add_column(printable(column), justify="left" if place == 0 else "right")
    for row in table.rows:
        grid.add_row(*(Styled(printable(cell)) for cell in row))
    return grid


def _chart(chart: Chart) -> RenderableType:
    """Bars, one row per point, which any terminal can show; of long lines a few points."""
    grid = Grid(title=printable(chart.title), title_justify="left", box=None, pad_edge=False)
    grid.add_column(printable(chart.x_label), justify="right")
    grid.add_column("")
    grid.add_column(printable(chart.y_label), justify="right")
    top = max((bar.value for bar in chart.bars), default=0.0)
    for bar in chart.bars:
        grid.add_row(
            printable(bar.name), Styled(_bar(bar.value / top if top else 0.0), style="cyan"),
            printable(bar.label),
        )  # fmt: skip
    length = _length(chart)
    for series in chart.series:
        if len(chart.series) > 1:
            grid.add_row("", Styled(printable(series.name), style="bold"), "")
        for x, y in _some(series):
            shown = f"{chart.y_prefix}{_short(y)}"
            grid.add_row(_short(x), Styled(_bar(length(y)), style="cyan"), shown)
    return grid


def _short(value: float) -> str:
    return short_number(float(f"{value:.3g}"))


def _some(series: Series) -> list[tuple[float, float]]:
    """All points of a short line, else a few from its first to its last."""
    points = list(zip(series.xs, series.ys, strict=True))
    if len(points) <= MOST_POINTS:
        return points
    last = len(points) - 1
    return [points[round(place * last / (FEW_POINTS - 1))] for place in range(FEW_POINTS)]


def _length(chart: Chart) -> Callable[[float], float]:
    """From a value to its share of the longest bar, along the chart's own scale."""
    values = [y for series in chart.series for y in series.ys if y > 0]
    top, bottom = max(values, default=1.0), min(values, default=1.0)
    if not chart.log_y or top == bottom:
        return lambda y: y / top
    floor = math.log(bottom) - (math.log(top) - math.log(bottom)) / BAR_COLUMNS
    return lambda y: (math.log(y) - floor) / (math.log(top) - floor) if y > 0 else 0.0


def _bar(share: float) -> str:
    eighths = round(max(share, 0.0) * BAR_COLUMNS * 8)
    return BARS[-1] * (eighths // 8) + (BARS[eighths % 8 - 1] if eighths % 8 else "")
