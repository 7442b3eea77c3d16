"""Neutral blocks of an answer. Every door renders the same View; none of them is known here.

Text is a tuple of spans, never markup: whatever a stranger wrote stays text in every door,
because only the spans below become bold, code or a link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CODE_COLUMNS = 36  # a phone wraps Discord's code blocks there (design.md section 4)


@dataclass(frozen=True, slots=True)
class Bold:
    """Words that carry the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A value as one would type it."""

    text: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """Words that lead to a web address."""

    text: str
    url: str


Span = str | Bold | Code | Anchor
Words = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """The answer in one line, with unit and range; the first block of a View."""

    words: Words


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or two."""

    words: Words


@dataclass(frozen=True, slots=True)
class Note:
    """Small print: where a number is from, a reference id."""

    words: Words


@dataclass(frozen=True, slots=True)
class Facts:
    """The few numbers that explain the answer: (name, value) lines, aligned."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; Discord shows it as an aligned code block, so keep it narrow."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart; ``labels`` (same length as ``xs``, "" = none) stand beside points.

    ``low`` and ``high`` (same length as ``ys``) are a band around it, such as quartiles.
    ``steps``: each y holds from its x to the next one. ``dots`` = False for a line whose points
    are not measurements. ``fill`` colours the area down to zero.
    """

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    labels: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    steps: bool = False
    dashed: bool = False
    dots: bool = True
    fill: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, its value in words, and what it may be; bars of one ``group`` share a colour."""

    name: str
    value: float
    label: str
    group: int = 0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The point this answer is about, optionally with an interval in y."""

    x: float
    y: float
    label: str
    y_low: float | None = None
    y_high: float | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A line across the whole chart at one value of an axis: a break-even, a roofline, today."""

    axis: Literal["x", "y"]
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture drawn later by bot.render.chart; ``alt`` tells its numbers in words.

    Lines (``series``), or horizontal ``bars`` where there are any. At most six series are drawn.
    ``y_prefix`` stands before the numbers of the values' axis ("$").
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    alt: str
    marks: tuple[Mark, ...] = ()
    log_x: bool = False
    log_y: bool = False
    bars: tuple[Bar, ...] = ()
    references: tuple[Reference, ...] = ()
    y_prefix: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """Something to keep: its bytes, name and media type."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """A button that opens a page; a path such as /r/ID is completed by the door."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Button:
    """A button that asks us for something: ``action`` is one of bot.command.ACTIONS."""

    label: str
    action: str
    argument: str = ""
    style: Literal["plain", "primary", "danger"] = "plain"


@dataclass(frozen=True, slots=True)
class Menu:
    """Many things to ask for in the room of one: choosing an entry is pressing that button."""

    label: str
    buttons: tuple[Button, ...]


Theme = Literal["dark", "light"]  # a chart's; Discord gets dark
Block = Heading | Text | Note | Facts | Table | Chart | File | Link | Button | Menu


@dataclass(frozen=True, slots=True)
class View:
    """An answer as blocks, top to bottom. A refusal is shown to its asker only where possible."""

    blocks: tuple[Block, ...]
    tone: Literal["answer", "refusal", "notice"] = "answer"

    def charts(self) -> tuple[Chart, ...]:
        """The charts, in order: at most one is drawn into a Discord message."""
        return tuple(block for block in self.blocks if isinstance(block, Chart))

    def without(self, *kinds: type) -> View:
        """The same answer with some kinds of block left out."""
        return View(tuple(b for b in self.blocks if not isinstance(b, kinds)), self.tone)

    def plus(self, *blocks: Block) -> View:
        """The same answer with blocks added at the end."""
        return View((*self.blocks, *blocks), self.tone)


def plain(words: Words) -> str:
    """The words alone, for alt texts, logs and terminals."""
    return "".join(span if isinstance(span, str) else span.text for span in words)
