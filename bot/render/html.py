"""View -> HTML. Every text is escaped by markupsafe; only http(s) and own paths become links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape

from bot.view import (
    Anchor,
    Block,
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

CHART_WIDTH, CHART_HEIGHT = 1200, 675  # as bot.render.drawing makes them: no jump while loading
NUMBER = re.compile(r"[<>~≈±+-]?[$€]?[\d.,]+([-–][\d.,]+)?(\s?[%\w/µ·]{1,8})?$")


@dataclass(frozen=True, slots=True)
class Press:
    """A button that posts: to ``url``, with a command line in hidden field ``line`` if given."""

    label: str
    url: str
    line: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What a page knows about an answer: its id ("" = not kept), line, details, more buttons.

    Of one that is not kept: ``pictures`` are the addresses of its charts, ``changes`` what each
    repair types into the form (JSON).
    """

    result_id: str = ""
    line: str = ""
    details: View | None = None
    presses: tuple[Press, ...] = ()
    level: int = 2
    pictures: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def render(view: View, around: Around) -> Markup:
    """The answer as one article; consecutive buttons share a row, in the order given."""
    return Markup(
        '<article class="answer {tone}" data-id="{id}" data-line="{line}">{body}</article>'
    ).format(tone=view.tone, id=around.result_id, line=around.line, body=_body(view.blocks, around))


def _body(blocks: Iterable[Block], around: Around) -> Markup:
    parts: list[Markup] = []
    charts = files = 0
    presses = around.presses
    for pressable, group in groupby(blocks, key=lambda b: isinstance(b, (Button, Link, Menu))):
        if pressable:
            parts.append(_button_row(group, presses, around))
            presses = ()
            continue
        for block in group:
            charts += isinstance(block, Chart)
            files += isinstance(block, File)
            parts.append(_block(block, around, charts, files))
    if presses:
        parts.append(_button_row((), presses, around))
    return Markup("\n").join(part for part in parts if part)


def _block(block: Block, around: Around, charts: int, files: int) -> Markup:
    match block:
        case Heading(words):
            return Markup("<h{n}>{words}</h{n}>").format(n=around.level, words=spans(words))
        case Text(words):
            return Markup("<p>{}</p>").format(spans(words))
        case Note(words):
            return Markup('<p class="note">{}</p>').format(spans(words))
        case Facts(rows):
            return _facts(rows)
        case Table():
            return _table(block)
        case Chart():
            return _chart(block, around, charts)
        case File():
            return _file(block, around, files)
        case _:
            return Markup("")


def spans(words: Words) -> Markup:
    """Words with their bold, code and links."""
    return Markup("").join(_span(span) for span in words)


def _span(span: Span) -> Markup:
    match span:
        case Bold(text):
            return Markup("<strong>{}</strong>").format(text)
        case Code(text):
            return Markup("<code>{}</code>").format(text)
        case Anchor(text, url):
            return _anchor(text, url)
        case _:
            return escape(span)


def safe_url(url: str) -> str | None:
    """``url`` if a browser may follow it: http(s), or a path of ours; never a script or //host."""
    if not url or not url.isprintable() or any(c in url for c in ' "<>\\`'):
        return None
    if url.startswith("/"):
        return None if url.startswith("//") else url
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _anchor(text: str, url: str) -> Markup:
    target = safe_url(url)
    if target is None:
        return escape(text)
    return Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(target, text)


def _facts(rows: tuple[tuple[str, str], ...]) -> Markup:
    lines = (Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*row) for row in rows)
    return Markup('<dl class="facts">{}</dl>').format(Markup("").join(lines))


def _table(table: Table) -> Markup:
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_side(table, place), name)
        for place, name in enumerate(table.columns)
    )
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td{}>{}</td>").format(_side(table, place), cell)
                for place, cell in enumerate(row)
            )
        )
        for row in table.rows
    )
    caption = Markup("<caption>{}</caption>").format(table.title) if table.title else ""
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table>{caption}'
        "<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    ).format(name=table.title or "Table", caption=caption, head=head, rows=rows)


def _side(table: Table, place: int) -> Markup:
    """Columns of numbers stand on the right, digits under digits."""
    cells = [row[place] for row in table.rows if place < len(row) and row[place]]
    numeric = bool(cells) and sum(bool(NUMBER.match(cell)) for cell in cells) * 2 > len(cells)
    return Markup(' class="num"') if numeric else Markup("")


def _chart(chart: Chart, around: Around, place: int) -> Markup:
    """The dark picture, and the light one for pages that are light."""
    if around.result_id:
        dark = chart_path(around.result_id, place)
    elif place <= len(around.pictures):
        dark = around.pictures[place - 1]
    else:
        return Markup('<p class="note">{}: {}</p>').format(chart.title, chart.alt)
    light = f"{dark}{'&' if '?' in dark else '?'}theme=light"
    return Markup(
        '<figure><a href="{dark}"><picture>'
        '<source media="(prefers-color-scheme: light)" srcset="{light}">'
        '<img src="{dark}" alt="{title}. {alt}" width="{w}" height="{h}"{lazy}>'
        "</picture></a></figure>"
    ).format(
        dark=dark, light=light, title=chart.title, alt=chart.alt, w=CHART_WIDTH, h=CHART_HEIGHT,
        lazy=Markup(' loading="lazy"') if place > 1 else "",
    )  # fmt: skip


def chart_path(result_id: str, place: int = 1) -> str:
    """Where the picture of chart ``place`` (from 1) of an answer is served."""
    return f"/r/{result_id}/chart.png" + (f"?n={place}" if place > 1 else "")


def _file(file: File, around: Around, place: int) -> Markup:
    if not around.result_id:
        return Markup("<p>{}</p>").format(file.name)
    return Markup('<p><a class="file" href="{url}" download="{name}">{name}</a> {size}</p>').format(
        url=f"/r/{around.result_id}/files/{place}", name=file.name, size=_size(len(file.content))
    )


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 2048 else f"{count / 1024:,.0f} KiB"


def _button_row(blocks: Iterable[Block], presses: tuple[Press, ...], around: Around) -> Markup:
    parts = [*(_press(press) for press in presses), *_buttons(blocks, around)]
    shown = Markup("").join(part for part in parts if part)
    return Markup('<div class="buttons">{}</div>').format(shown) if shown else Markup("")


def _buttons(blocks: Iterable[Block], around: Around) -> Iterator[Markup]:
    for block in blocks:
        if isinstance(block, Button):
            yield _button(block, around)
        elif isinstance(block, Menu):
            yield _menu(block, around)
        elif isinstance(block, Link) and (around.result_id or not block.url.startswith("/r/")):
            yield _link_button(block.label, block.url)


def _button(button: Button, around: Around) -> Markup:
    page = f"/r/{around.result_id}"
    match button.action:
        case "change":
            return _link_button(button.label, f"/?line={quote(around.line, safe='')}", "change")
        case "details" if around.details is not None:
            return _details(button.label, around.details, around.level)
        case "fix" if not around.result_id and int(button.argument) < len(around.changes):
            return Markup(
                '<button class="button" type="button" data-changes="{changes}">{label}</button>'
            ).format(changes=around.changes[int(button.argument)], label=button.label)
        case "fix" if around.result_id:
            return _press(Press(button.label, f"{page}/fix/{button.argument}"))
        case "share" if around.result_id:
            return _link_button(button.label, page, "share")
        case "cancel" if around.result_id:
            return _press(Press(button.label, f"{page}/cancel"))
        case "chart" if around.result_id:
            return _link_button(button.label, chart_path(around.result_id))
        case _:
            return Markup("")


def _menu(menu: Menu, around: Around) -> Markup:
    """Opened without a script; each entry is the form that its button is."""
    entries = [made for made in _buttons(menu.buttons, around) if made]
    if not entries:
        return Markup("")
    return Markup(
        '<details class="more"><summary class="button">{label}</summary>'
        '<div class="inside buttons">{entries}</div></details>'
    ).format(label=menu.label, entries=Markup("").join(entries))


def _link_button(label: str, url: str, action: str = "") -> Markup:
    target = safe_url(url)
    if target is None:
        return Markup("")
    return Markup('<a class="button" href="{}" data-action="{}">{}</a>').format(
        target, action, label
    )


def _press(press: Press) -> Markup:
    hidden = Markup('<input type="hidden" name="line" value="{}">').format(press.line)
    return Markup(
        '<form method="post" action="{url}" class="press">{hidden}'
        '<button class="button primary">{label}</button></form>'
    ).format(url=press.url, hidden=hidden if press.line else "", label=press.label)


def _details(label: str, details: View, level: int) -> Markup:
    inside = Around(level=level + 1)
    return Markup(
        '<details class="more"><summary class="button">{label}</summary>'
        '<div class="inside">{body}</div></details>'
    ).format(label=label, body=_body(details.without(Button, Link).blocks, inside))
