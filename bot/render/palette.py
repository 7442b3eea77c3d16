"""The colours of a chart, dark and light, and the characters its font can draw."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from bot.view import Theme

MISSING = "\ufffd"  # the font has this one: a question mark in a lozenge
RUN = re.compile(rf"{MISSING}(?:\s*{MISSING})*")


@dataclass(frozen=True, slots=True)
class Palette:
    """Six colours for lines, told apart with every common colour blindness, and what is around."""

    background: str
    ink: str
    faint: str
    mark: str
    lines: tuple[str, ...]


# Okabe and Ito 2008 without black; on white their sky blue, orange and yellow fall below a
# contrast of 3 to 1, so darker ones stand in.
PALETTES: dict[Theme, Palette] = {
    "dark": Palette(
        background="#1e1f22",
        ink="#dbdee1",
        faint="#3f4147",
        mark="#ffffff",
        lines=("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00"),
    ),
    "light": Palette(
        background="#ffffff",
        ink="#1f2328",
        faint="#d5d9dd",
        mark="#000000",
        lines=("#0072b2", "#b36b00", "#007a58", "#a8517f", "#7d7200", "#c44100"),
    ),
}


def drawable(text: str) -> str:
    """``text`` on one line; what DejaVu Sans has no glyph for (CJK, emoji) is one sign a run."""
    if text.isascii() and text.isprintable():
        return text
    known = _glyphs()
    shown: list[str] = []
    for char in " ".join(text.split()):
        if ord(char) in known:
            shown.append(char)
        elif char.isprintable():
            shown.append(MISSING)
    return RUN.sub(MISSING, "".join(shown))


@functools.cache
def _glyphs() -> frozenset[int]:
    """The code points of the font that matplotlib brings along, without invisible ones."""
    from matplotlib.font_manager import findfont, get_font

    charmap = get_font(findfont("DejaVu Sans")).get_charmap()
    return frozenset(code for code in charmap if chr(code).isprintable())
