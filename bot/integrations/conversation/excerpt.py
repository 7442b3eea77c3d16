"""The first words of a post, as plain text: what a notice quotes of it."""

from __future__ import annotations

import html
import re

from bot.render.markup import cut_at_word
from content.sources.values import storable

LONGEST = 280  # characters, about five lines on a phone
READ = 4_000  # of a body; what stands later is never quoted

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*\s*$|\Z)", re.S | re.M)
_QUOTE = re.compile(r"^ {0,3}>.*$", re.M)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,400}>")
_IMAGE = re.compile(r"!\[([^\]\n]{0,200})\]\([^)\n]{0,1000}\)")
_LINK = re.compile(r"\[([^\]\n]{1,300})\]\([^)\n]{0,1000}\)")
_LINE_START = re.compile(r"^ {0,3}(?:#{1,6}\s+|[-*+]\s+(?:\[[ xX]\]\s+)?|\d{1,9}[.)]\s+)", re.M)
_RULE = re.compile(r"^ {0,3}(?:[-*_|:=] ?){3,}$", re.M)
_MARKS = re.compile(r"(\*\*|__|~~|`+|\n)")


def excerpt(markdown: str, longest: int = LONGEST) -> str:
    """At most ``longest`` characters of what a reader sees first, on one line.

    Comments, quotes, markup and pictures are left out; a code block is "[code]".
    """
    text = _COMMENT.sub(" ", markdown.replace("\r\n", "\n")[:READ])
    text = _FENCE.sub("[code]", text)
    text = _IMAGE.sub(r"\1", _QUOTE.sub(" ", text))
    text = _LINK.sub(r"\1", _TAG.sub(" ", text))
    text = _RULE.sub(" ", _LINE_START.sub("", text))
    words = " ".join(storable(html.unescape(_unmarked(text))).split())
    return cut_at_word(words, longest)


def _unmarked(text: str) -> str:
    """``text`` without the marks of bold, struck and code words, where both stand in one line.

    In one pass: a regular expression took 6 s for 8,000 backticks, on the event loop.
    """
    parts = ["", " ", *_MARKS.split(text), " "]  # words, mark, words, mark, ..., words, blank
    kept, opened = list(parts), dict[str, int]()
    for place in range(3, len(parts) - 1, 2):
        mark = parts[place]
        before, after = parts[place - 1] or parts[place - 2], parts[place + 1] or parts[place + 2]
        if mark == "\n":
            opened.clear()
        elif mark in opened and not before[-1].isspace():
            kept[opened.pop(mark)] = kept[place] = ""
        elif not after[0].isspace():
            opened[mark] = place
    return "".join(kept[2:-1])
