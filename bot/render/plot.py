"""Lines, bands, bars and labels on the axes of a chart; labels keep clear of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bot.render.palette import Palette, drawable
from bot.view import Bar, Mark, Reference, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

LABEL_POINTS = 18.0  # 25 pixels
LINE_POINTS = 3.2
BAND_ALPHA = 0.22
FILL_ALPHA = 0.35
GAP_PX = 9.0
ROWS = 6  # how far down the label of a vertical line may move to keep clear of others


def line(axes: Axes, series: Series, colour: str, *, name: str) -> None:
    """One series with its band. Raises ``ValueError`` where its lists differ in length."""
    step: Literal["post"] | None = "post" if series.steps else None
    if series.low or series.high:
        axes.fill_between(series.xs, series.low, series.high, step=step, color=colour,
                          alpha=BAND_ALPHA, linewidth=0)  # fmt: skip
    if series.fill:
        axes.fill_between(series.xs, series.ys, step=step, color=colour, alpha=FILL_ALPHA,
                          linewidth=0)  # fmt: skip
    axes.plot(
        series.xs, series.ys, color=colour, linewidth=LINE_POINTS, label=name, clip_on=False,
        marker="o" if series.dots else None, markersize=6.5, solid_joinstyle="round",
        drawstyle="steps-post" if series.steps else "default",
        linestyle=(0, (2.2, 1.4)) if series.dashed else "-",
    )  # fmt: skip


def mark(axes: Axes, mark: Mark, palette: Palette) -> None:
    """The point that the answer is about, and its interval."""
    if mark.y_low is not None and mark.y_high is not None:
        axes.vlines(mark.x, mark.y_low, mark.y_high, color=palette.mark, linewidth=2.6, alpha=0.8)
    axes.plot(
        [mark.x], [mark.y], marker="o", markersize=15, color=palette.mark, markeredgewidth=2.6,
        markerfacecolor="none", clip_on=False,
    )  # fmt: skip


def reference_line(axes: Axes, reference: Reference, palette: Palette) -> None:
    """A dashed line through the whole plot."""
    draw = axes.axvline if reference.axis == "x" else axes.axhline
    draw(reference.value, color=palette.ink, linewidth=2.0, linestyle=(0, (3, 2)), alpha=0.85)


def bars(axes: Axes, shown: Sequence[Bar], palette: Palette, names: Sequence[str]) -> None:
    """Horizontal bars, the first on top, with what each may be as a thin line."""
    places = list(range(len(shown)))
    colours = [palette.lines[bar.group % len(palette.lines)] for bar in shown]
    axes.barh(places, [bar.value for bar in shown], color=colours, height=0.62)
    for place, bar in zip(places, shown, strict=True):
        if bar.low is not None and bar.high is not None and bar.high > bar.low:
            axes.hlines(place, bar.low, bar.high, color=palette.mark, linewidth=3.0, alpha=0.9)
    axes.set_yticks(places, names)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(left=0)


def bar_labels(axes: Axes, shown: Sequence[Bar], palette: Palette) -> None:
    """Values behind the bars; the axis grows until the longest has room."""
    ends = [max(bar.value, bar.high or 0.0) for bar in shown]
    made = [
        axes.annotate(
            drawable(bar.label), (end, place), xytext=(GAP_PX, 0), textcoords="offset pixels",
            va="center", color=palette.ink, fontsize=LABEL_POINTS, annotation_clip=False,
        )
        for place, (bar, end) in enumerate(zip(shown, ends, strict=True))
    ]  # fmt: skip
    width = axes.get_window_extent().width
    need = [
        end / max(width - text.get_window_extent().width - 2 * GAP_PX, 1.0)
        for text, end in zip(made, ends, strict=True)
    ]
    axes.set_xlim(0, max(width * max(need, default=0.0), 1e-9))


class Labels:
    """Words in the plot: each tries the places around its point until one is free."""

    def __init__(self, axes: Axes, palette: Palette, width: float) -> None:
        self._axes = axes
        self._width = width  # of the whole picture, in pixels
        self._palette = palette
        self._taken: list[Bbox] = []

    def mark(self, mark: Mark) -> None:
        """The words of the point that the answer is about."""
        self.beside((mark.x, mark.y), mark.label, self._palette.mark, bold=True, must=True)

    def points(self, series: Series, colour: str) -> None:
        """The labels of a series, from the last point back; those without room are left out."""
        points = list(zip(series.xs, series.ys, series.labels, strict=False))
        for x, y, label in reversed(points):
            if label:
                self.beside((x, y), label, colour)

    def beside(
        self, point: tuple[float, float], text: str, colour: str, *, bold: bool = False,
        must: bool = False,
    ) -> None:  # fmt: skip
        """``text`` beside ``point``; ``must``: also where it covers something."""
        made: list[Any] = []
        kept = None
        for place in _around(must):
            made.append(self._text(point, text, colour, place, bold=bold))
            if self._free(made[-1].get_window_extent()):
                kept = made[-1]
                break
        if kept is None and must:
            kept = self._inside(made)[0]
        for other in made:
            if other is not kept:
                other.remove()
        if kept is not None:
            self._taken.append(kept.get_window_extent())

    def reference(self, reference: Reference) -> None:
        """Words at the upper end of a vertical line, or the right end of a level one."""
        box = self._axes.get_window_extent()
        x, y = self._axes.transData.transform((reference.value, reference.value))
        height = LABEL_POINTS * self._axes.figure.dpi / 72 * 1.3
        if reference.axis == "x":
            spots = [(x, box.y1 - row * height, side) for row in range(ROWS) for side in (1, -1)]
            places = [((px, py), (side, -1)) for px, py, side in spots]
        else:
            places = [((px, y), (side, up)) for px, side in ((box.x1, -1), (box.x0, 1))
                      for up in (1, -1)]  # fmt: skip
        inverse = self._axes.transData.inverted()
        for place, side in places:
            point = inverse.transform(place)
            made = self._text((point[0], point[1]), reference.label, self._palette.ink, side)
            if self._free(made.get_window_extent()):
                self._taken.append(made.get_window_extent())
                return
            made.remove()

    def _text(
        self, point: tuple[float, float], text: str, colour: str, place: tuple[int, int], *,
        bold: bool = False,
    ) -> Any:  # fmt: skip
        """The words right (1) or left (-1) of the point, above (1), level (0) or below (-1)."""
        right, up = place
        return self._axes.annotate(
            drawable(text), point, xytext=(right * GAP_PX, up * GAP_PX), annotation_clip=False,
            textcoords="offset pixels", color=colour, fontsize=LABEL_POINTS,
            weight="bold" if bold else "normal", ha="left" if right > 0 else "right",
            va={1: "bottom", 0: "center", -1: "top"}[up],
            bbox={"boxstyle": "square,pad=0.08", "facecolor": self._palette.background,
                  "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip

    def _free(self, box: Bbox) -> bool:
        return self._within(box) and not any(box.overlaps(other) for other in self._taken)

    def _inside(self, made: list[Any]) -> list[Any]:
        return [text for text in made if self._within(text.get_window_extent())] or made

    def _within(self, box: Bbox) -> bool:
        """Whether ``box`` lies in the plot, or right of it as far as the picture goes."""
        room = self._axes.get_window_extent()
        return bool(
            box.x0 >= room.x0 and box.x1 <= self._width - GAP_PX
            and box.y0 >= room.y0 and box.y1 <= room.y1 + GAP_PX
        )  # fmt: skip


def _around(must: bool) -> Iterator[tuple[int, int]]:
    """A mark's label prefers below left, under a falling curve; a point's above right."""
    yield from (((-1, -1), (1, 1), (-1, 1), (1, -1)) if must else ((1, 1), (-1, -1)))
