"""View -> terminal, through rich: the same blocks, a table instead of aligned code."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Styled

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
    Note,
    Table,
    Text,
    View,
    Words,
)

BARS = "▏▎▍▌▋▊▉█"
BAR_COLUMNS = 30


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
            return _bars(block)
        case File(name):
            return Styled(f"file: {name}", style="dim")
        case Link() | Button():
            return None


def _words(words: Words) -> Styled:
    """Spans to styles; control characters of strangers never reach the terminal."""
    line = Styled()
    for span in words:
        match span:
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


def _bars(chart: Chart) -> RenderableType:
    """A chart's lines as bars of y, one row per point, which any terminal can show."""
    top = max((y for series in chart.series for y in series.ys), default=0.0)
    grid = Grid(title=chart.y_label, title_justify="left", box=None, pad_edge=False)
    grid.add_column(chart.x_label, justify="right")
    grid.add_column("")
    grid.add_column("", justify="right")
    for series in chart.series:
        if len(chart.series) > 1:
            grid.add_row("", Styled(printable(series.name), style="bold"), "")
        for x, y in zip(series.xs, series.ys, strict=True):
            grid.add_row(f"{x:,.4g}", Styled(_bar(y, top), style="cyan"), f"{y:,.4g}")
    return grid


def _bar(value: float, top: float) -> str:
    eighths = round(value / top * BAR_COLUMNS * 8) if top > 0 else 0
    return BARS[-1] * (eighths // 8) + (BARS[eighths % 8 - 1] if eighths % 8 else "")
