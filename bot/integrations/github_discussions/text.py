"""Titles and bodies as GitHub takes them, and the marker by which a post of ours is known again."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from bot.posting import marker

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_TITLE = 256
MAX_BODY = 65_536  # characters, of a Discussion and of a comment
TAIL = 600  # characters of hidden lines at the end that stay when the rest is cut
CLOSING = 400  # room for what closes an open fence or <details>
NOTE = "*Cut here: a post on GitHub has at most 65,536 characters.*"
NO_TITLE = "(no title)"

MARKER = re.compile(r"<!-- k2c:post key=([A-Za-z0-9_-]{22}) -->")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
HIDDEN_LINE = re.compile(r"\s*<!--(?:(?!-->).)*-->\s*")
DETAILS = re.compile(r"<(/?)details\b", re.IGNORECASE)
FENCE = re.compile(r"```|~~~")
PROBE = "<!-- k2c -->"


def as_title(text: str) -> str:
    """One line of at most 256 characters."""
    line = " ".join(CONTROL.sub(" ", text).split()) or NO_TITLE
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1].rstrip() + "…"


def as_body(text: str, key: str) -> str:
    """``text`` with the marker of ``key`` as its last line, outside of any code.

    Whole where it fits; else cut between two blocks, fences and <details> closed. Takes up to
    0.4 s of CPU: not for the event loop.
    """
    text = CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    end = "\n\n" + marker(key)
    whole = _closed(text[: MAX_BODY + 1])
    if len(text) <= MAX_BODY and len(whole) + len(end) <= MAX_BODY:
        return whole + end
    tail = _hidden_tail(text)
    end = "".join(f"\n\n{part}" for part in (NOTE, tail) if part) + end
    room = MAX_BODY - len(end) - CLOSING
    while len(kept := _closed(_cut(text, room))) + len(end) > MAX_BODY:
        room = max(room - (len(kept) + len(end) - MAX_BODY), 0)  # a fence of very many backticks
    return kept + end


def key_in(body: str) -> str:
    """The short key of the last marker line, "" where there is none."""
    for line in reversed(body.splitlines()):
        found = MARKER.fullmatch(line.strip())
        if found:
            return found[1]
    return ""


def carries(body: str, key: str) -> bool:
    """Whether ``body`` is the post of the effect ``key``: its whole marker, in its last place."""
    found = MARKER.fullmatch(marker(key))
    return found is not None and key_in(body) == found[1]


def _hidden_tail(text: str) -> str:
    """Comment lines at the very end, such as the one by which a site's comment box finds it."""
    lines: list[str] = []
    for line in reversed(text.split("\n")):
        if line.strip() and not HIDDEN_LINE.fullmatch(line):
            break
        if line.strip():
            lines.append(line.strip())
    tail = "\n".join(reversed(lines))
    return tail if len(tail) <= TAIL else ""


def _cut(text: str, room: int) -> str:
    """The first blocks that fit; where one block fills more than half, as many of its lines."""
    text = text[:room]
    kept = text[: _last_start(text)].rstrip("\n")
    if len(kept) >= room // 2:
        return kept
    lines = text[: text.rfind("\n") + 1].rstrip("\n")  # without the line that was cut in two
    return lines if len(lines) >= room // 2 else text


def _last_start(text: str) -> int:
    """Where the last block begins."""
    if not FENCE.search(text):
        return max(text.rfind("\n\n"), 0)
    starts = [token.map[0] for token in _blocks(text) if token.level == 0 and token.map]
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: max(starts, default=0)])


def _closed(text: str) -> str:
    """``text`` with an open fence and open <details> closed at its end."""
    outside = [text]
    if FENCE.search(text):  # else it need not be parsed, which takes 0.4 s at the most
        for _ in range(3):
            last = _blocks(f"{text}\n\n{PROBE}")[-1]
            if last.type != "fence":
                break
            text += "\n" + _fence_end(text, last)
        parts = _blocks(text)
        outside = [part.content for part in parts if part.type in ("html_block", "inline")]
    depth = 0
    for content in outside:
        for found in DETAILS.finditer(content):
            depth = max(depth + (-1 if found[1] else 1), 0)
    return text + "\n\n</details>" * min(depth, 20)


def _fence_end(text: str, fence: Token) -> str:
    """The line that closes ``fence``, indented as the one that opened it."""
    line = text.split("\n")[fence.map[0]] if fence.map else ""
    return line[: len(line) - len(line.lstrip(" "))] + fence.markup


def _blocks(text: str) -> list[Token]:
    return _parser().parse(text)


@cache
def _parser() -> MarkdownIt:
    """Of blocks alone: what is in a line does not matter here, and takes most of the time."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable(["inline", "text_join"])
