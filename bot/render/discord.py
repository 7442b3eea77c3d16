"""A View as a Discord message of components v2: one container of text, picture and buttons."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.render.columns import facts_lines, table_lines
from bot.render.discord_rows import MAX_URL as MAX_URL
from bot.render.discord_rows import custom_id as custom_id
from bot.render.discord_rows import rows_of
from bot.render.markup import markdown, visible
from bot.view import (
    CODE_COLUMNS,
    Block,
    Bold,
    Chart,
    Facts,
    File,
    Heading,
    Link,
    Note,
    Table,
    Text,
    View,
)

WIDTH = CODE_COLUMNS - 3  # a container's edge and padding cost a phone three columns
MAX_TEXT = 4_000  # Discord's limit for all text of a message
MAX_ALT = 1_000  # Discord allows 1,024
MAX_FILES = 3
MAX_PARTS = 6  # texts and files after which texts are no longer kept apart for their looks
MAX_FILE_BYTES = 10 * 2**20  # what every server takes, boosted or not
WORTH_CUTTING = 200  # characters: a shorter piece of a block is not worth showing
FENCE = "```"
CHART_NAME = "chart.png"
EPHEMERAL = 1 << 6

COLOURS = {"answer": 0x4C8DFF, "refusal": 0xE0A23B, "notice": 0x6D737C}
REST = "-# The rest does not fit into a message."
REST_ON_PAGE = "-# The rest does not fit into a message; the page has it all."

Child = discord.ui.TextDisplay[Any] | discord.ui.MediaGallery[Any] | discord.ui.File[Any]


class Layout(discord.ui.LayoutView):
    """A message's parts. What its buttons do is in their ids, so nothing is kept in memory."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    def is_finished(self) -> bool:
        """Always: the library then keeps no copy for each message it ever sent."""
        return True


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to upload; ``alt`` describes a picture."""

    name: str
    content: bytes
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. Files are read up by each attempt, so each gets fresh ones."""

    layout: Layout
    attachments: tuple[Attachment, ...] = ()

    def files(self) -> list[discord.File]:
        """The attachments, to be uploaded once."""
        return [
            discord.File(io.BytesIO(a.content), a.name, description=a.alt or None)
            for a in self.attachments
        ]


@dataclass(frozen=True, slots=True)
class Shown:
    """How this message shows the answer. A public answer needs no Share button.

    ``png``: the chart drawn, if it is. ``chart_button``: offer to draw it later. ``mention``
    (a user id) is told of the message; ``shared_by`` is named without being told.
    """

    result_id: str = ""
    base_url: str = ""
    public: bool = False
    png: bytes | None = None
    chart_button: bool = False
    mention: int | None = None
    shared_by: int | None = None


def render(view: View, shown: Shown) -> Message:
    """The message of ``view``; text beyond Discord's limit ends at a block, with the Page link."""
    children: list[Child] = []
    attachments: list[Attachment] = []
    for part in _parts(view, shown):
        if isinstance(part, str):
            children.append(discord.ui.TextDisplay(part))
        elif part.name == CHART_NAME:
            item = discord.MediaGalleryItem(f"attachment://{part.name}", description=part.alt)
            children.append(discord.ui.MediaGallery(item))
            attachments.append(part)
        else:
            children.append(discord.ui.File(f"attachment://{part.name}"))
            attachments.append(part)
    rows = [discord.ui.ActionRow(*row) for row in rows_of(view, shown)]
    return Message(_layout([*children, *rows], view.tone), tuple(attachments))


def notice(text: str, tone: str = "refusal") -> Message:
    """A message of one text, which is our own markdown (times, mentions) and never a stranger's."""
    return Message(_layout([discord.ui.TextDisplay(text)], tone))


def payload(view: View, shown: Shown | None = None, *, ephemeral: bool = False) -> dict[str, Any]:
    """The message's JSON as Discord gets it, for previews and tests."""
    message = render(view, shown or Shown())
    flags = discord.MessageFlags(components_v2=True).value | (EPHEMERAL if ephemeral else 0)
    files = [{"id": i, "filename": a.name} for i, a in enumerate(message.attachments)]
    return {
        "flags": flags,
        "components": message.layout.to_components(),  # type: ignore[no-untyped-call]
        "attachments": files,
    }


def _layout(items: Sequence[discord.ui.Item[Any]], tone: str) -> Layout:
    layout = Layout()
    layout.add_item(discord.ui.Container(*items, accent_colour=COLOURS[tone]))
    return layout


@dataclass(slots=True)
class _Page:
    """Text gathered under the limit; neighbouring texts share one component."""

    rest: str
    room: int = MAX_TEXT - len(REST_ON_PAGE) - 2
    full: bool = False
    parts: list[str | Attachment] = field(default_factory=list)

    def write(self, text: str) -> None:
        text = text.rstrip()
        if self.full or not text:
            return
        if length(text) + 1 > self.room:
            text = _cut(text, self.room - 1)
            self.full = True
        if text:
            self.room -= length(text) + 1
            self._join(text)
        if self.full:
            self._join(self.rest)

    def _join(self, text: str) -> None:
        last = self.parts[-1] if self.parts else None
        # After a code block a line end of our own would show as an empty line.
        apart = not isinstance(last, str) or last.endswith(FENCE)
        if isinstance(last, str) and (not apart or len(self.parts) >= MAX_PARTS):
            self.parts[-1] = f"{last}\n{text}"
        else:
            self.parts.append(text)


def _parts(view: View, shown: Shown) -> Iterator[str | Attachment]:
    page = _Page(REST_ON_PAGE if any(isinstance(b, Link) for b in view.blocks) else REST)
    who = [f"<@{shown.mention}>"] if shown.mention else []
    who += [f"-# shared by <@{shown.shared_by}>"] if shown.shared_by else []
    page.write(" ".join(who))
    files = 0
    drawn = False
    for block in view.blocks:
        if isinstance(block, Chart) and shown.png is not None and not drawn:
            drawn = True
            page.parts.append(Attachment(CHART_NAME, shown.png, _alt(block)))
        elif isinstance(block, File) and files < MAX_FILES:
            files += 1
            page.parts += [_file(block, files)] if len(block.content) <= MAX_FILE_BYTES else []
        else:
            page.write(_text(block, shown.base_url))
    return iter(page.parts or ["\u2026"])


def _text(block: Block, base_url: str) -> str:
    match block:
        case Heading(words):
            text = markdown(words, base_url)
            bold = any(isinstance(span, Bold) for span in words)
            return text if bold or not text.strip() else f"**{text.strip()}**"
        case Text(words):
            return markdown(words, base_url)
        case Note(words):
            lines = markdown(words, base_url).split("\n")
            return "\n".join(f"-# {line.strip()}" for line in lines if line.strip())
        case Facts():
            return _fenced(facts_lines(block, WIDTH))
        case Table():
            return _fenced(table_lines(block, WIDTH))
    return ""


def _fenced(lines: Iterable[str]) -> str:
    body = "\n".join(lines)
    return f"{FENCE}\n{body}\n{FENCE}" if body else ""


def _alt(chart: Chart) -> str:
    return visible(chart.alt or chart.title)[:MAX_ALT] or "chart"


def _file(block: File, number: int) -> Attachment:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "_" for c in block.name)
    return Attachment(f"{number}-{plain[-60:]}", block.content)


def length(text: str) -> int:
    """Characters as Discord counts them at worst: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(text: str, room: int) -> str:
    """What fits of a block that does not: whole lines of code, whole words of a sentence."""
    fence = text.startswith(FENCE)
    room -= len("\n```") + 2
    if room < WORTH_CUTTING:
        return ""
    kept = text.encode("utf-16-le")[: room * 2].decode("utf-16-le", "ignore")
    kept = kept.rpartition("\n" if fence else " ")[0] or kept.rstrip("\\")
    return f"{kept}\n```" if fence else _closed(f"{kept} \u2026")


def _closed(text: str) -> str:
    """``text`` with the bold or code that the cut left open closed again."""
    plain = text.replace("\\*", "").replace("\\`", "")
    text += "**" if plain.count("**") % 2 else ""
    return text + ("`" if plain.count("`") % 2 else "")
