"""View -> GitHub's Markdown; a stranger's text stays text, calls nobody and refers to nothing.

GitHub looks for @names, #12 and commits in the finished HTML, where a backslash is gone and an
entity is decoded: only a zero-width space keeps them apart (research: dependabot 3157, zwave-js-ui
4743). Inside code it does not look, but a reply by e-mail loses the code, so names are parted there
too.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from bot.render.columns import is_numeric
from bot.render.markup import visible, web_address
from bot.view import (
    Anchor,
    Bold,
    Button,
    Chart,
    Code,
    Facts,
    File,
    Heading,
    Link,
    Menu,
    Note,
    Span,
    Table,
    Text,
    View,
    Words,
)

TITLE_MOST = 256  # characters of a Discussion's title
APART = "\u200b"  # zero-width space
DECODED_MOST = 8  # entities within entities; what is left is shown as typed

_ENTITY = re.compile(r"&(?:#\d{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
_CALLS = (  # each match is parted in its middle, where the groups meet
    re.compile(r"(@)(?=\S)"),
    re.compile(r"(#)(?=\d)"),
    re.compile(r"(\bGH-)(?=\d)", re.IGNORECASE),
    re.compile(r"(?<=[A-Za-z0-9+.-])(:)(?=//)"),  # looking for its scheme's start is quadratic
    re.compile(r"(\b(?:mailto|xmpp):)(?=\S)", re.IGNORECASE),
    re.compile(r"(\bwww)(?=\.)", re.IGNORECASE),
    re.compile(r"(:)(?=[a-z+-][a-z0-9_+-]*:)"),  # :tada:
    re.compile(r"(--)(?=!?>)"),
    re.compile(r"(k2c:)(?=post)"),
)
# A commit's name, or 7 signs of it at least: any piece that long might be another one's.
_COMMIT = re.compile(r"(?<![0-9A-Za-z])(?:(?=\d*[a-f])[0-9a-f]{7,40}|\d{40})(?![0-9A-Za-z])", re.I)
_COMMIT_PART = re.compile(r"(.{6})(?=.)")
_CALLS_IN_CODE = (re.compile(r"((?<!\w)@)(?=\w)"), re.compile(r"(k2c:)(?=post)"))
_INLINE = re.compile(
    r"[\\`*\[\]<|$~]|&(?=[#\w]+;)|(?<=\s)#+(?=\s*\Z)|(?<![^\W_])_|_(?![^\W_])|(?<=--\u200b)>"
)
_LINE_START = re.compile(r"^[ ]*([#>+=-]+)", re.MULTILINE)
_LIST_NUMBER = re.compile(r"^[ ]*(\d{1,9})([.)])(?=\s|$)", re.MULTILINE)
_REFERS = re.compile(r"/[^/]+/[^/]+/(issues|pull|pulls|discussions|commit)/", re.IGNORECASE)


def github_markdown(view: View, base_url: str, pictures: Sequence[str] = ()) -> str:
    """The whole answer as Markdown; own paths become addresses under ``base_url`` ("" = no link).

    ``pictures`` are the addresses of its charts, in their order; a chart without one ("" or
    missing) tells its numbers in words. Buttons have no place here.
    """
    charts = iter(pictures)
    blocks: list[str] = []
    links: list[Link] = []
    for block in view.blocks:
        if isinstance(block, Link):
            links.append(block)
            continue
        made = (
            _chart(block, next(charts, "")) if isinstance(block, Chart) else _block(block, base_url)
        )
        blocks += [made] if made else []
    anchors = [_span(Anchor(link.label, link.url), base_url) for link in links]
    return "\n\n".join([*blocks, *([" · ".join(anchors)] if anchors else [])])


def github_text(text: str) -> str:
    """``text`` shown by GitHub as it reads: no markup, no mention, no reference, no comment.

    Lines stay lines; indentation goes, which would make code of them.
    """
    safe = _INLINE.sub(lambda found: "".join(f"\\{c}" for c in found[0]), parted(decoded(text)))
    lines = "\n".join(line.strip() for line in safe.splitlines())
    lines = _LINE_START.sub(lambda found: "".join(f"\\{c}" for c in found[1]), lines)
    return _LIST_NUMBER.sub(r"\1\\\2", lines)


def github_line(text: str) -> str:
    """The same on one line."""
    return github_text(" ".join(decoded(text).split()))


def github_title(text: str) -> str:
    """A title, which is no Markdown: on one line, calling nobody, of at most 256 characters."""
    title = parted(" ".join(decoded(text).split()))
    return title if len(title) <= TITLE_MOST else title[: TITLE_MOST - 1].rstrip() + "…"


def github_code(text: str) -> str:
    """``text`` as a code span on one line, with as many backticks around as it needs."""
    line = " ".join(visible(text).split()) or " "
    for call in _CALLS_IN_CODE:
        line = call.sub(rf"\1{APART}", line)
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def github_words(words: Words, base_url: str = "") -> str:
    """The words with bold, code and links."""
    return "".join(_span(span, base_url) for span in words)


def github_link(label: str, url: str, base_url: str = "") -> str:
    """A link, or the label alone where ``url`` is no web address."""
    return _span(Anchor(label, url), base_url)


def decoded(text: str) -> str:
    """``text`` with its entities decoded and without characters that hide: what one would read."""
    for _ in range(DECODED_MOST):
        before, text = text, _ENTITY.sub(lambda found: html.unescape(found[0]), visible(text))
        if text == before:
            break
    return visible(text)


def parted(text: str) -> str:
    """``text`` with a zero-width space inside whatever GitHub would make a mention, a reference, a
    link, an emoji or our own marker of.
    """
    for call in _CALLS:
        text = call.sub(rf"\1{APART}", text)
    return _COMMIT.sub(lambda found: _COMMIT_PART.sub(rf"\1{APART}", found[0]), text)


def _span(span: Span, base_url: str) -> str:
    match span:
        case str():
            return _kept_blanks(span)
        case Bold(text):
            words = text.strip()
            return text.replace(words, f"**{github_line(words)}**") if words else text
        case Code(text):
            return github_code(text)
        case Anchor(text, url):
            address = unreferring(web_address(url, base_url) or "")
            label = github_line(text) or "link"
            return f"[{label}](<{address}>)" if address else github_line(text)


def _kept_blanks(text: str) -> str:
    """A plain span; blanks at its ends part it from its neighbours, line ends included."""
    body = text.strip(" \t")
    if not body:
        return " " if text else ""
    front = " " if text[0] in " \t" else ""
    back = " " if text[-1] in " \t" else ""
    return f"{front}{github_text(body)}{back}"


def unreferring(address: str) -> str:
    """A link to an issue leaves a mark there, unless it goes by GitHub's redirect."""
    if not address:
        return ""
    parts = urlsplit(address)
    if parts.hostname in ("github.com", "www.github.com") and _REFERS.match(f"{parts.path}/"):
        return parts._replace(netloc="redirect.github.com").geturl()
    return address


def _block(
    block: Heading | Text | Note | Facts | Table | File | Button | Menu, base_url: str
) -> str:
    match block:
        case Heading(words):
            return f"## {_one_line(github_words(words, base_url))}"
        case Text(words):
            return github_words(words, base_url)
        case Note(words):
            return f"<sub>{_one_line(github_words(words, base_url))}</sub>"
        case Facts(rows):
            return "\n".join(_grid(("", ""), rows, (False, False)))
        case Table():
            return "\n".join(_table(block))
        case File(name):
            return f"File: {github_code(name)}"
        case Button() | Menu():
            return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _chart(chart: Chart, picture: str) -> str:
    title, alt = github_line(chart.title), github_line(chart.alt)
    address = web_address(picture, "") if picture else None
    if address:
        return f"![{title}. {alt}](<{address}>)"
    return f"<details><summary>{html_text(chart.title)}</summary>\n\n{alt}\n\n</details>"


def html_text(text: str) -> str:
    """``text`` between tags of HTML that stands in Markdown, on one line."""
    return html.escape(parted(" ".join(decoded(text).split())), quote=False)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"**{github_line(table.title)}**"
        yield ""
    width = len(table.columns)
    rows = [(*row, *[""] * width)[:width] for row in table.rows]
    right = [is_numeric([row[place] for row in rows]) for place in range(width)]
    yield from _grid(table.columns, rows, right)


def _grid(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]
) -> Iterator[str]:
    yield _row(head)
    yield f"|{'|'.join(' --: ' if r else ' :-- ' for r in right)}|"
    yield from (_row(row) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(github_line(cell) for cell in cells)} |"
