"""A View's words as Discord markdown: only our own spans format, a stranger's text stays text."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, urljoin, urlsplit

from bot.view import Anchor, Bold, Code, Span, Words

# Letters and symbols that show nothing; the format characters (Cf) go by their category.
BLANKS = dict.fromkeys((0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x034F, 0x17B4, 0x17B5), " ")
MAX_MARKS = 2  # accents on one letter; more is a tower that covers the lines above
GRAVE = "\u02cb"  # looks like a backtick and closes nothing

_INLINE = re.compile(r"[\\*`\[]|~~|\|\||<(?=[@#:/+a-z])|(?<![^\W_])_|_(?![^\W_])", re.IGNORECASE)
_LINE_START = re.compile(r"^(\s*)([#>+-](?=[ #>])|-(?=# ))", re.MULTILINE)
_LIST_NUMBER = re.compile(r"^(\s*\d+)([.)])(?= )", re.MULTILINE)
# A regular expression for the scheme took 14 s for 65,536 characters of "a.".
_ADDRESS = re.compile(r"(?<=[A-Za-z0-9+.-]):(?=//)")
_MENTION = re.compile(r"@(?=everyone|here|[!&]?\d)", re.IGNORECASE)


def markdown(words: Words, base_url: str = "") -> str:
    """The words with bold, code and links; whatever else looks like markup is shown as typed."""
    text = "".join(_span(span, base_url) for span in words)
    text = _LINE_START.sub(r"\1\\\2", text)
    return _LIST_NUMBER.sub(r"\1\\\2", text)


def visible(text: str) -> str:
    """``text`` without characters that hide, reverse or overlap; line ends are kept."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for char in text.translate(BLANKS):
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category in ("Cf", "Cs") or marks > MAX_MARKS:
            continue
        blank = category in ("Cc", "Zs", "Zl", "Zp") and char != "\n"
        kept.append(" " if blank else char)
    return "".join(kept)


def one_line(text: str) -> str:
    """``text`` safe inside a code block: visible, on one line, unable to close the block."""
    return _quiet(" ".join(visible(text).split()).replace("`", GRAVE))


def cut_at_word(text: str, limit: int) -> str:
    """At most ``limit`` characters of ``text``, ended at a word."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    return (kept.rpartition(" ")[0] or kept).rstrip(" ,;:.-") + "\u2026"


def escaped(text: str) -> str:
    """``text`` shown by Discord exactly as it reads: no markup, no mention, no link."""
    safe = _INLINE.sub(lambda found: "".join(f"\\{c}" for c in found[0]), visible(text))
    return _quiet(_ADDRESS.sub(r"\\:", safe))


def web_address(url: str, base_url: str) -> str | None:
    """``url``, completed if it is a path, when it is one that a button may open; else None."""
    full = urljoin(f"{base_url}/", url) if url.startswith("/") else url
    full = quote(full, safe="%/:?#@!$&'*+,;=~-._[]")
    parts = urlsplit(full)
    return full if parts.scheme in ("http", "https") and parts.netloc else None


def _span(span: Span, base_url: str) -> str:
    match span:
        case str():
            return escaped(span)
        case Bold(text):
            return _around("**", escaped(text))
        case Code(text):
            return f"`{one_line(text) or ' '}`"
        case Anchor(text, url):
            address = web_address(url, base_url)
            label = escaped(text).replace("]", "\\]").strip()
            return f"[{label or 'link'}](<{address}>)" if address else escaped(text)


def _around(mark: str, text: str) -> str:
    """``mark`` around the words; blanks stay outside, where Discord wants them."""
    words = text.strip()
    if not words:
        return text
    before, _, after = text.partition(words)
    return f"{before}{mark}{words}{mark}{after}"


def _quiet(text: str) -> str:
    """A zero-width space parts the @ from what it would call; no mention survives it."""
    return _MENTION.sub("@\u200b", text)
