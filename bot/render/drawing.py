"""What the chart process does: one neutral Chart in, one PNG out, dark or light.

1,200 x 675 pixels: Discord shows it 550 wide, a phone about 350, so the smallest type is 25
pixels high here, 11 there and 7 on the phone.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.render import plot
from bot.render.numbers import short_number
from bot.render.palette import PALETTES, Palette, drawable
from bot.view import Bar, Chart, Reference, Series, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

WIDTH, HEIGHT, DPI = 1200, 675, 100
EDGE_PX = 24
TITLE_POINTS = 22.0
TEXT_POINTS = 19.0
TITLE_CHARS = 60  # what fits in one line
NAME_CHARS = 44  # of a line in the legend
BAR_NAME_CHARS = 26
MOST_SERIES = 6
MOST_BARS = 10
ROW_SHARE = 0.06  # of the plot's height, for one row of words
FEW_DECADES = 2.5  # below it a logarithmic axis also has 2 and 5
COLOURS_KEPT = 128  # six lines, bands, their smoothed edges, and the ink


def begin_child() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """The parent's own end of a pipe tells, also when it was gone before this process began:
    a child that only looked at its parent's number then waited for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def warm() -> None:
    """Load matplotlib and its fonts by drawing something small of everything."""
    line = Series("a", (1.0, 2.0), (1.0, 2.0), low=(1.0, 1.0), high=(2.0, 3.0))
    reference = Reference("x", 1.5, "b")
    draw(Chart("", "", "", (line, line), alt="", log_x=True, references=(reference,)))
    draw(Chart("", "", "", (), alt="", bars=(Bar("a", 1.0, "1"),)))


def draw(chart: Chart, theme: Theme = "dark") -> bytes:
    """The chart as PNG bytes. Raises ``ValueError`` for lists of different lengths."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    palette = PALETTES[theme]
    # Without it "$7,900 ... $21,400" would be set as mathematics.
    with rc_context({"text.parse_math": False, "font.family": "DejaVu Sans"}):
        size = (WIDTH / DPI, HEIGHT / DPI)
        figure = Figure(figsize=size, dpi=DPI, facecolor=palette.background)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0.1, 0.1, 0.85, 0.7))
        _style(axes, chart, palette)
        if chart.bars:
            _bars(figure, axes, chart, palette)
        else:
            _lines(figure, axes, chart, palette)
        canvas.draw()  # type: ignore[no-untyped-call]
        return _png(canvas)


def _png(canvas: FigureCanvasAgg) -> bytes:
    """The canvas with a palette: 25 kB instead of 90, which the bot's loop then has to upload."""
    from PIL import Image

    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), pixels)
    flat = picture.convert("RGB").quantize(COLOURS_KEPT, method=Image.Quantize.FASTOCTREE)
    target = io.BytesIO()
    flat.save(target, format="PNG", compress_level=6)
    return target.getvalue()


def _lines(figure: Figure, axes: Axes, chart: Chart, palette: Palette) -> None:
    shown = chart.series[:MOST_SERIES]
    pairs = list(zip(shown, palette.lines, strict=False))
    for series, colour in pairs:
        plot.line(axes, series, colour, name=shortened(series.name, NAME_CHARS))
    for reference in chart.references:
        plot.reference_line(axes, reference, palette)
    for mark in chart.marks:
        plot.mark(axes, mark, palette)
    _from_zero(axes, chart)
    _headroom(axes, chart)
    top = _head(figure, axes, chart, palette, legend=len(shown) > 1)
    _fit(figure, axes, top)
    labels = plot.Labels(axes, palette, WIDTH)
    for mark in chart.marks:
        labels.mark(mark)
    for reference in chart.references:
        labels.reference(reference)
    for series, colour in pairs:
        labels.points(series, colour)


def _bars(figure: Figure, axes: Axes, chart: Chart, palette: Palette) -> None:
    shown = chart.bars[:MOST_BARS]
    plot.bars(axes, shown, palette, [shortened(bar.name, BAR_NAME_CHARS) for bar in shown])
    _fit(figure, axes, _head(figure, axes, chart, palette, legend=False))
    plot.bar_labels(axes, shown, palette)


def _style(axes: Axes, chart: Chart, palette: Palette) -> None:
    axes.set_facecolor(palette.background)
    axes.set_xlabel(drawable(chart.x_label), color=palette.ink, fontsize=TEXT_POINTS, labelpad=6)
    axes.set_ylabel(drawable(chart.y_label), color=palette.ink, fontsize=TEXT_POINTS, labelpad=6)
    if chart.bars:
        _ticks(axes.xaxis, chart.y_prefix)
    else:
        _scaled_ticks(axes, chart)
    axes.tick_params(
        "both", which="both", colors=palette.ink, labelsize=TEXT_POINTS, length=0, pad=8
    )
    axes.grid(True, axis="x" if chart.bars else "both", color=palette.faint, linewidth=1.0)
    axes.set_axisbelow(True)
    axes.margins(0.06, 0.1)
    for side, spine in axes.spines.items():
        spine.set_color(palette.faint)
        spine.set_visible(side in ("left", "bottom"))


def _scaled_ticks(axes: Axes, chart: Chart) -> None:
    xs = [x for series in chart.series for x in series.xs]
    ys = [y for s in chart.series for part in (s.ys, s.low, s.high) for y in part]
    if chart.log_x:
        axes.set_xscale("log", base=10)
    if chart.log_y:
        axes.set_yscale("log", base=10)
    _ticks(axes.xaxis, "", log_of=xs if chart.log_x else ())
    _ticks(axes.yaxis, chart.y_prefix, log_of=ys if chart.log_y else ())


def _ticks(axis: Axis, prefix: str, log_of: Sequence[float] = ()) -> None:
    """About six numbers; ``log_of``: all values along a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    positive = [value for value in log_of if value > 0]
    if positive:
        wide = max(positive) > min(positive) * 10**FEW_DECADES
        axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=12))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{prefix}{short_number(value)}"))


def _from_zero(axes: Axes, chart: Chart) -> None:
    """A linear axis starts at zero: lengths on it are then in proportion."""
    if not chart.log_x:
        axes.set_xlim(left=0)
    if not chart.log_y:
        axes.set_ylim(bottom=0)


def _headroom(axes: Axes, chart: Chart) -> None:
    """Room above the lines for the words of the vertical ones, a row each."""
    rows = sum(reference.axis == "x" for reference in chart.references)
    low, high = axes.get_ylim()
    if chart.log_y:
        axes.set_ylim(top=high * (high / low) ** (ROW_SHARE * rows))
    else:
        axes.set_ylim(top=high + (high - low) * ROW_SHARE * rows)


def _head(figure: Figure, axes: Axes, chart: Chart, palette: Palette, *, legend: bool) -> float:
    """Title and legend above the plot, where no line can be behind them; pixels left below."""
    top = HEIGHT - EDGE_PX / 2
    if chart.title:
        figure.text(
            EDGE_PX / WIDTH, top / HEIGHT, shortened(chart.title, TITLE_CHARS), va="top",
            color=palette.ink, fontsize=TITLE_POINTS, weight="bold",
        )  # fmt: skip
        top -= TITLE_POINTS * DPI / 72 * 1.45
    return _legend(figure, axes, palette, top) if legend else top - EDGE_PX / 2


def _legend(figure: Figure, axes: Axes, palette: Palette, top: float) -> float:
    """The names in as few rows as fit, and what is left below them, in pixels."""
    handles, names = axes.get_legend_handles_labels()
    for columns in range(len(handles), 0, -1):
        made = figure.legend(
            handles, names, ncols=columns, loc="upper left", frameon=False, borderpad=0,
            bbox_to_anchor=(EDGE_PX / WIDTH, top / HEIGHT), labelcolor=palette.ink,
            fontsize=TEXT_POINTS, handlelength=1.3, handletextpad=0.5, columnspacing=1.3,
            labelspacing=0.3, borderaxespad=0.0,
        )  # fmt: skip
        box = made.get_window_extent()
        if box.width <= WIDTH - 2 * EDGE_PX or columns == 1:
            return float(box.y0) - EDGE_PX / 2
        made.remove()
    return top


def _fit(figure: Figure, axes: Axes, top: float) -> None:
    """Give the plot all room that its numbers and labels leave, so that nothing is cut off."""
    y_box = axes.yaxis.get_tightbbox()
    x_box = axes.xaxis.get_tightbbox()
    here = axes.get_window_extent()
    left = EDGE_PX / 2 + (here.x0 - y_box.x0 if y_box else 0)
    bottom = EDGE_PX / 2 + (here.y0 - x_box.y0 if x_box else 0)
    right = WIDTH - EDGE_PX * 1.5
    size = ((right - left) / WIDTH, (top - bottom) / HEIGHT)
    axes.set_position((left / WIDTH, bottom / HEIGHT, *size))


def shortened(text: str, most: int) -> str:
    """``text`` as it can be drawn, at most ``most`` characters of it."""
    text = drawable(text)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
