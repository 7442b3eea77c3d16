"""A Card as a Discord message: title, what it says, small print, buttons, and its key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import discord

from bot.posting import Card, fragment
from bot.render.discord import MAX_TEXT, MAX_URL, Layout, Message, Shown, length, render
from bot.render.markup import cut_at_word, escaped, visible, web_address
from bot.view import Anchor, Block, Bold, Heading, Link, Note, Text, View
from content.sources.article import short_key

MAX_TITLE = 256
MAX_NOTE = 200
MAX_TITLE_URL = 1_000
RESERVE = 150  # characters for a mention, marks, and the renderer's line about what is left out
FALLBACK = "https://discord.com/"  # carries the key of a card that leads nowhere
WITHIN = "https://discord.com/channels/"
V2 = 1 << 15

_KEY = re.compile(r"[#&]k2c=([A-Za-z0-9_-]{22})(?![A-Za-z0-9_-])")
_UNLINKABLE = re.compile(r"[\[\]<>`]|://")
# Text of a stranger cannot hold this: its "[" and "<" are escaped.
_LINK = re.compile(r"\]\(<([^<>\s]+)>\)")


def card_view(card: Card, key: str) -> View:
    """The blocks of ``card``; its first link carries ``key``."""
    title = cut_at_word(" ".join(visible(card.title).split()), MAX_TITLE) or "\u2026"
    url, links = _keyed(_led(card, title), key)
    note = cut_at_word(" ".join(visible(card.note).split()), MAX_NOTE)
    blocks: list[Block] = [Heading((Anchor(title, url) if url else Bold(title),))]
    room = MAX_TEXT - RESERVE - length(escaped(title)) - len(url) - length(escaped(note))
    blocks += [Text((line,)) for line in _cut_lines(card.lines, room)]
    if note:
        blocks.append(Note((note,)))
    if fragment(key) not in url and not any(fragment(key) in to for _, to in links):
        label = f"ref {short_key(key)[:6]}"
        blocks.append(Note((Anchor(label, f"{FALLBACK}#{fragment(key)}"),)))
    return View((*blocks, *(Link(label, address) for label, address in links)), card.tone)


def card_message(card: Card, key: str, mention_role: str = "") -> Message:
    """The message of ``card``, with the role that is told of it in a line above."""
    message = render(card_view(card, key), Shown())
    if not mention_role.isdecimal():
        return message
    layout = Layout()
    layout.add_item(discord.ui.TextDisplay(f"<@&{mention_role}>"))
    for item in message.layout.children:
        layout.add_item(item)
    return Message(layout)


def card_body(card: Card, key: str, mention_role: str = "", *, pings: bool) -> dict[str, Any]:
    """The request's body. Nobody is told but that role, and it only where ``pings``."""
    layout = card_message(card, key, mention_role).layout
    told = [mention_role] if pings and mention_role.isdecimal() else []
    return {
        "components": layout.to_components(),  # type: ignore[no-untyped-call]
        "flags": V2,
        "allowed_mentions": {"parse": [], "roles": told, "replied_user": False},
    }


def without_buttons(card: Card) -> Card:
    """The card with no address but the title's, if Discord would show that as a link."""
    url = "" if _UNLINKABLE.search(card.title) else card.url
    return card.model_copy(update={"url": url, "links": ()})


def key_in(message: Mapping[str, Any]) -> str:
    """The short key that a message of ours carries in a link, "" for none."""
    for address in _addresses(message.get("components") or ()):
        if found := _KEY.findall(f"#{urlsplit(address).fragment}"):
            return str(found[-1])  # ours is added behind whatever was there
    return ""


def _addresses(components: Any) -> Iterator[str]:
    """Where a message's links lead, top to bottom."""
    for component in components:
        if isinstance(component.get("content"), str):
            yield from _LINK.findall(component["content"])
        if isinstance(component.get("url"), str):
            yield component["url"]
        yield from _addresses(component.get("components") or ())


def _led(card: Card, title: str) -> Card:
    """The card with a button in place of a title that Discord would not show as a link: it gives
    up on one whose words hold brackets or an address.
    """
    if not _UNLINKABLE.search(title):
        return card
    led = [web_address(url, "") for _, url in card.links]
    button = () if web_address(card.url, "") in led else (("Open", card.url),)
    return card.model_copy(update={"url": "", "links": (*button, *card.links)})


def _keyed(card: Card, key: str) -> tuple[str, list[tuple[str, str]]]:
    """The title's and the buttons' addresses, the first that leads out of Discord with the key."""
    url = _with(web_address(card.url, "") or "", key)
    url = url if len(url) <= MAX_TITLE_URL else ""
    keyed = fragment(key) in url
    links: list[tuple[str, str]] = []
    for label, wanted in card.links:
        address = web_address(wanted, "") or ""
        address = address if keyed else _with(address, key)
        if address and len(address) <= MAX_URL:
            links.append((label, address))
            keyed = keyed or fragment(key) in address
    return url, links


def _with(url: str, key: str) -> str:
    """``url`` with the key; one within Discord stays as its client knows it."""
    if not url or url.startswith(WITHIN):
        return url.partition("#")[0]
    joined = "&" if urlsplit(url).fragment else "#"
    return f"{url.rstrip('#')}{joined}{fragment(key)}"


def _cut_lines(lines: tuple[str, ...], room: int) -> list[str]:
    """As many lines as fit into ``room`` characters, the last one cut at a word."""
    kept: list[str] = []
    for line in lines:
        text = visible(line).strip()
        if not text:
            continue
        if length(escaped(text)) > room:
            return [*kept, _fitted(text, room)] if room > MAX_NOTE else kept
        kept.append(text)
        room -= length(escaped(text)) + 1
    return kept


def _fitted(text: str, room: int) -> str:
    """What of ``text`` takes at most ``room`` characters once it is escaped."""
    size = min(len(text) - 1, room)
    while length(escaped(cut_at_word(text, size))) > room:
        size = size * 9 // 10
    return cut_at_word(text, size)
