"""Lines of Discord that GitHub would read as something else: rules, headings, code, definitions."""

from __future__ import annotations

import re
from collections.abc import Callable

# Two characters that nobody's keyboard has hold the place of what is finished already.
LEFT, RIGHT = "\ue000", "\ue001"

_SMALL = re.compile(r"-# (?=\S)(.*)")
_RULE = re.compile(r"\s*([-=*_])(?:\s*\1)*\s*")
_LIST = re.compile(r"\s*(?:[-*]|\d{1,9}\.) +\S")
_STARTS = re.compile(r"(\s*)(\+(?=\s)|#{4,6}(?=\s)|>|\d{1,9}\)(?=\s)|\[(?=[^\[\]]+\]:))")
_CODE_INDENT = 4  # columns of blanks that make code of a line


def tidy_lines(text: str, keep: Callable[[str], str]) -> str:
    """``text`` line by line; ``keep`` puts finished Markdown aside and returns a mark for it."""
    lines: list[str] = []
    in_list = False
    for line in text.split("\n"):
        listed = _LIST.match(line) is not None
        # Without an empty line between them what follows a list would go on in its last point.
        if in_list and line.strip() and not listed and not line.startswith("  "):
            lines.append("")
        in_list = listed or (in_list and line.startswith("  "))
        lines.append(_line(line, keep, listed=in_list))
    return "\n".join(lines)


def _line(line: str, keep: Callable[[str], str], *, listed: bool) -> str:
    small = _SMALL.fullmatch(line)
    if small:
        return f"{keep('<sub>')}{small[1].rstrip()}{keep('</sub>')}"
    if line.strip() and _RULE.fullmatch(line):
        bare = line.strip()
        return keep("".join(f"\\{char}" if char in "-=*_" else char for char in bare))
    start = _STARTS.match(line)
    if start and not (listed and start[1]):
        marker = start[2]
        line = f"{start[1]}{keep(_shown(marker))}{line[start.end() :]}"
    blanks = len(line) - len(line.lstrip(" "))
    if blanks >= _CODE_INDENT and not listed:
        line = "\u00a0" * blanks + line[blanks:]
    return line


def _shown(marker: str) -> str:
    """A marker that is text in Discord, as text."""
    if marker[0].isdigit():
        return f"{marker[:-1]}\\)"
    return "".join(f"\\{char}" for char in marker)
