"""Both renderings of an announcement, exactly as they will appear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bot.effects import Told
from bot.guild_command import Preview
from bot.integrations.announcing.plan import targets
from bot.integrations.announcing.records import Post, Record
from bot.integrations.announcing.scene import Places, Scene
from bot.integrations.announcing.words import discussion_title, discussion_view
from bot.posting import Card
from bot.view import Anchor, Block, Heading, Link, Note, Text, View

CardView = Callable[[Card, str], View]


def preview(
    record: Record, posts: Sequence[Post], told: Mapping[str, Told], where: Places, now: float,
    card_view: CardView,
) -> Preview:  # fmt: skip
    """What is there, or what would be if it were announced now."""
    shown = list(posts) or targets(record, where)
    scene = Scene(record, tuple(shown), told, where, now)
    urls = scene.discord_urls()
    key = next((p.target for p in shown if p.place.isdecimal()), "")
    draft = record.article.state == "draft"
    open_still = record.state != "announced" and not draft
    return Preview(
        title=discussion_title(record.article, record.withdrawn),
        discussion=discussion_view(record.article, where.topic, urls, record.withdrawn),
        message=card_view(scene.card(), key),
        said=said(record, shown, where, now),
        can_publish=open_still and bool(shown),
        can_skip=open_still and record.state != "skipped",
    )


def said(record: Record, posts: Sequence[Post], where: Places, now: float) -> str:
    """Where it stands, in a sentence or two."""
    channels = sum(p.place.isdecimal() for p in posts)
    going = _going(where, channels, any(p.place == "gh" for p in posts))
    if record.state == "announced":
        taken = " It was withdrawn, and both say so." if record.withdrawn else ""
        return f"Announced {_length(now - record.announced_at)} ago.{taken}"
    if record.article.state == "draft":
        return "A draft: it is announced once it is published."
    if record.state == "skipped":
        return f"Skipped. Publish would post {going}."
    if record.state == "baseline":
        return f"It was there before announcing began. Publish would post {going}."
    date = record.article.date
    if date is not None and date.timestamp() > now and not record.by:
        return f"Due in {_length(date.timestamp() - now)}; then it becomes {going}."
    return f"Not announced yet: {going}."


def plain_card(card: Card, key: str) -> View:
    """A card as neutral blocks, for where Discord's own rendering of it is not at hand."""
    title = Heading((Anchor(card.title, card.url),) if card.url else (card.title,))
    blocks: list[Block] = [title, *(Text((line,)) for line in card.lines)]
    blocks += [Note((card.note,))] if card.note else []
    return View((*blocks, *(Link(label, url) for label, url in card.links)), card.tone)


def _going(where: Places, channels: int, discussion: bool) -> str:
    parts = []
    if discussion:
        parts.append(f"a Discussion in “{where.category}”" if where.category else "a Discussion")
    if channels:
        parts.append(
            "a message in one channel" if channels == 1 else f"messages in {channels} channels"
        )
    if not parts:
        return "nowhere, for no channel and no GitHub repository is configured"
    return " and ".join(parts)


def _length(seconds: float) -> str:
    """A stretch of time in its largest unit."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
