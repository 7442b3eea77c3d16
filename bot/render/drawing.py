"""What the chart process does: one neutral Chart in, one dark PNG out.

1,100 x 660 pixels: Discord shows it 550 wide, a phone about 350, so the smallest type is 26
pixels high here and 8 there.
"""

from __future__ import annotations

import io
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot.view import Chart, Mark, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

WIDTH_IN, HEIGHT_IN, DPI = 5.5, 3.3, 200
BACKGROUND = "#1e1f22"
INK = "#dbdee1"
FAINT = "#3f4147"
# Okabe and Ito's palette without black: told apart with every common colour blindness.
COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2")
MARK = "#ffffff"
COLOURS_KEPT = 64  # seven lines, their smoothed edges, and the ink: no difference to be seen
LABEL_ROOM_PX = 34  # between two labels of one line: one and a half lines of 8 points
TITLE_CHARS = 52  # what fits in one line at 10.5 points


def begin_child() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


def warm() -> None:
    """Load matplotlib and its fonts by drawing something small."""
    line = Series("", (1.0, 2.0), (1.0, 2.0))
    draw(Chart("", "", "", (line,), alt="", log_x=True))


def draw(chart: Chart) -> bytes:
    """The chart as PNG bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, facecolor=BACKGROUND)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.125, 0.165, 0.85, 0.715))
    _style(figure, axes, chart)
    for place, series in enumerate(chart.series):
        _line(axes, series, COLOURS[place % len(COLOURS)])
    for mark in chart.marks:
        _mark(axes, mark)
    _from_zero(axes, chart)
    for place, series in enumerate(chart.series):
        _label(axes, series, COLOURS[place % len(COLOURS)])
    if len(chart.series) > 1:
        axes.legend(
            fontsize=9, frameon=False, labelcolor=INK, loc="best", handlelength=1.2, borderpad=0.2
        )
    canvas.draw()  # type: ignore[no-untyped-call]
    return _png(canvas)


def _png(canvas: FigureCanvasAgg) -> bytes:
    """The canvas with a palette: 18 kB instead of 63, which the bot's loop then has to upload."""
    from PIL import Image

    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), pixels)
    flat = picture.convert("RGB").quantize(COLOURS_KEPT, method=Image.Quantize.FASTOCTREE)
    target = io.BytesIO()
    flat.save(target, format="PNG", compress_level=6)
    return target.getvalue()


def _style(figure: Figure, axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    title = chart.title if len(chart.title) <= TITLE_CHARS else chart.title[: TITLE_CHARS - 1] + "…"
    figure.text(0.03, 0.94, title, color=INK, fontsize=10.5, weight="bold", va="center")
    axes.set_facecolor(BACKGROUND)
    axes.set_xlabel(chart.x_label, color=INK, fontsize=9.5, labelpad=3)
    axes.set_ylabel(chart.y_label, color=INK, fontsize=9.5, labelpad=3)
    for axis, log in ((axes.xaxis, chart.log_x), (axes.yaxis, chart.log_y)):
        if log:
            (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log", base=10)
            axis.set_minor_formatter(NullFormatter())
        else:
            axis.set_major_locator(MaxNLocator(6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
    axes.tick_params(colors=INK, labelsize=9, length=3, width=0.6)
    axes.grid(True, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(0.1, 0.12)
    for side, spine in axes.spines.items():
        spine.set_color(FAINT)
        spine.set_visible(side in ("left", "bottom"))


def _from_zero(axes: Axes, chart: Chart) -> None:
    """A linear axis starts at zero: lengths on it are then in proportion."""
    if not chart.log_x:
        axes.set_xlim(left=0)
    if not chart.log_y:
        axes.set_ylim(bottom=0)


def _line(axes: Axes, series: Series, colour: str) -> None:
    axes.plot(
        series.xs, series.ys, color=colour, linewidth=1.8, marker="o", markersize=3.2,
        label=series.name, clip_on=False,
    )  # fmt: skip


def _label(axes: Axes, series: Series, colour: str) -> None:
    for x, y, label in _apart(axes, series):
        axes.annotate(
            label, (x, y), xytext=(4, 4), textcoords="offset points", color=colour, fontsize=8
        )


def _apart(axes: Axes, series: Series) -> Iterator[tuple[float, float, str]]:
    """The labels that have room: from the last point back, those far enough from the one before."""
    _ = axes.get_xlim(), axes.get_ylim()  # settles the limits, which the transform needs
    last: tuple[float, float] | None = None
    points = zip(series.xs, series.ys, series.labels, strict=False)
    for x, y, label in reversed(list(points)):
        place = axes.transData.transform((x, y))
        if not label or (last and math.dist(last, place) < LABEL_ROOM_PX):
            continue
        last = (place[0], place[1])
        yield x, y, label


def _mark(axes: Axes, mark: Mark) -> None:
    if mark.y_low is not None and mark.y_high is not None:
        axes.vlines(mark.x, mark.y_low, mark.y_high, color=MARK, linewidth=1.4, alpha=0.8)
    axes.plot([mark.x], [mark.y], marker="o", markersize=7, color=MARK, markerfacecolor="none")
    axes.annotate(
        mark.label, (mark.x, mark.y), xytext=(-8, -6), textcoords="offset points", color=MARK,
        fontsize=9, weight="bold", ha="right", va="top",
    )  # fmt: skip


def short_number(value: float) -> str:
    """Tick labels: 0.5, 20, 1.5k, 40k, 2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"
