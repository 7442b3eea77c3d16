"""Both renderings of an announcement, exactly as they will appear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.effects import Told
from bot.guild_command import Preview
from bot.integrations.announcing.plan import targets
from bot.integrations.announcing.records import GITHUB, LABELS, Post, Record
from bot.integrations.announcing.scene import Places, Scene
from bot.integrations.announcing.words import card, discussion_title, discussion_view
from bot.posting import Card
from bot.view import Anchor, Block, Heading, Link, Note, Text, View
from config.settings import Settings

NOWHERE = "nowhere, for no channel and no GitHub repository is configured"

CardView = Callable[[Card, str], View]
NameOf = Callable[[str, str], str]  # a channel's name by the ids of its server and itself


@dataclass(frozen=True, slots=True)
class ShownBy:
    """How a card looks, what channels are called, and the page that Discussions appear on."""

    card_view: CardView
    name_of: NameOf = lambda guild_id, channel_id: ""
    discussions: str = ""


def preview(
    record: Record, posts: Sequence[Post], told: Mapping[str, Told], where: Places, now: float,
    by: ShownBy,
) -> Preview:  # fmt: skip
    """What is there, or what would be if it were announced now. A link to what is not there yet
    leads to where it will be.
    """
    shown = list(posts) or targets(record, where)
    scene = Scene(record, tuple(shown), told, where, now)
    messages = [post for post in shown if post.place.isdecimal()]
    draft = record.article.state == "draft"
    open_still = record.state != "announced" and not draft
    links = scene.discord_links()
    if open_still:
        links = [(by.name_of(p.guild_id, p.place), _channel(p)) for p in messages]
    roles = {channel.channel_id: channel.ping_role for channel in where.channels}
    return Preview(
        title=discussion_title(record.article, record.withdrawn),
        discussion=discussion_view(record.article, where.topic, links, record.withdrawn),
        message=by.card_view(_message(scene, by), messages[0].target if messages else ""),
        said=said(record, shown, told, where, now),
        can_publish=open_still and bool(shown),
        can_skip=open_still and record.state != "skipped",
        channels=tuple((p.guild_id, p.place, roles.get(p.place, "")) for p in messages),
        links=_standing(scene, by) if record.state == "announced" else (),
        labels=record.article.tags if where.wants_github else (),
    )


def discussions_page(settings: Settings) -> str:
    """The repository's page of Discussions; "" without a repository."""
    if not settings.github_repository:
        return ""
    base = settings.github_api_base.rstrip("/").removesuffix("/api/v3")
    site = base.replace("//api.github.com", "//github.com")
    return f"{site}/{settings.github_repository}/discussions"


def said(
    record: Record, posts: Sequence[Post], told: Mapping[str, Told], where: Places, now: float
) -> str:
    """Where it stands, in a sentence or two."""
    everywhere = " and ".join(going(where, posts)) or NOWHERE
    if record.state == "announced":
        taken = " It was withdrawn, and its posts say so." if record.withdrawn else ""
        ago = _length(now - record.announced_at)
        return f"Announced {ago} ago.{taken}{_open(record, posts, told)}"
    if record.article.state == "draft":
        return "A draft: it is announced once it is published."
    if record.state == "skipped":
        return f"Skipped. Publish would post {everywhere}."
    if record.state == "baseline":
        return f"It was there before announcing began. Publish would post {everywhere}."
    date = record.article.date
    if date is not None and date.timestamp() > now and not record.by:
        return f"Due in {_length(date.timestamp() - now)}; then it becomes {everywhere}."
    return f"Not announced yet: {everywhere}."


def going(where: Places, posts: Sequence[Post]) -> list[str]:
    """What is posted: a Discussion, and messages."""
    parts = []
    if any(post.place == GITHUB for post in posts):
        parts.append(f"a Discussion in “{where.category}”" if where.category else "a Discussion")
    if channels := sum(post.place.isdecimal() for post in posts):
        parts.append(
            "a message in one channel" if channels == 1 else f"messages in {channels} channels"
        )
    return parts


def plain_card(card: Card, key: str) -> View:
    """A card as neutral blocks, for where Discord's own rendering of it is not at hand."""
    title = Heading((Anchor(card.title, card.url),) if card.url else (card.title,))
    blocks: list[Block] = [title, *(Text((line,)) for line in card.lines)]
    blocks += [Note((card.note,))] if card.note else []
    return View((*blocks, *(Link(label, url) for label, url in card.links)), card.tone)


def _message(scene: Scene, by: ShownBy) -> Card:
    """The message; its Discussion is linked before it exists, as it will be."""
    made = scene.card()
    if scene.record.state == "announced" or not scene.where.wants_github or not by.discussions:
        return made
    return card(scene.article, scene.where.topic, by.discussions, scene.record.withdrawn)


def _channel(post: Post) -> str:
    return f"https://discord.com/channels/{post.guild_id}/{post.place}"


def _standing(scene: Scene, by: ShownBy) -> tuple[tuple[str, str], ...]:
    """Every post that is there, with its name and address."""
    found = []
    for post in scene.posts:
        told = scene.sent(post.target)
        url = str(told.receipt.get("url") or "") if told is not None else ""
        if url and post.place == GITHUB:
            found.append(("Discussion", url))
        elif url:
            name = by.name_of(post.guild_id, post.place)
            found.append((f"#{name}" if name else "Message", url))
    return tuple(found)


def _open(record: Record, posts: Sequence[Post], told: Mapping[str, Told]) -> str:
    """What is not done of it, and why."""
    ends = [told.get(post.target) for post in posts if post.place != LABELS]
    begun = [end for end in ends if end is not None]
    waiting = [end for end in begun if end.state in ("waiting", "unknown")]
    count = len(waiting) if record.withdrawn else len(waiting) + len(ends) - len(begun)
    words = ""
    if count:
        words += f" {count} {'post is' if count == 1 else 'posts are'} still to come"
        words += next((f": {end.reason}" for end in waiting if end.reason), "") + "."
    if refused := [end for end in begun if end.state == "never"]:
        were = "1 post was" if len(refused) == 1 else f"{len(refused)} posts were"
        words += f" {were} given up: {refused[0].reason}."
    return words


def _length(seconds: float) -> str:
    """A stretch of time in its largest unit."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
