"""What is posted outside, as the payloads of the outbox's effects; a sender does one kind each.

Payloads hold all that a sender needs, rendered when the effect was decided: a restart or an edit
in between changes nothing of what an earlier decision posts.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from content.sources.article import short_key

Tone = Literal["answer", "notice", "refusal"]


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def payload(self) -> dict[str, JsonValue]:
        """As an effect carries it."""
        return self.model_dump(mode="json")


class Card(_Payload):
    """A message in Discord: a title that leads somewhere, what it says, and buttons with links.

    All of it is plain text: whatever looks like markup or a mention in it is shown as typed.
    ``lines`` are paragraphs, ``note`` is small print.
    """

    title: str
    url: str = ""
    lines: tuple[str, ...] = ()
    note: str = ""
    links: tuple[tuple[str, str], ...] = ()  # label, address
    tone: Tone = "answer"

    @property
    def digest(self) -> str:
        """SHA-256 of what it shows."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class ChannelPost(_Payload):
    """kind "discord.post": one message in a channel, a post in a forum channel.

    ``mention_role`` is told of it; ``tags`` are names of forum tags, set where the forum has them;
    ``reply_to`` a message's id there. Receipt: channel_id (of a forum post its thread's),
    message_id, thread_id ("" unless a forum post), url, crosspostable (bool), channel_name,
    mention_role.
    """

    channel_id: str
    guild_id: str
    card: Card
    mention_role: str = ""
    tags: tuple[str, ...] = ()
    reply_to: str = ""
    purpose: str = "announcements"  # what the channel is configured for, for words to moderators


class MessageEdit(_Payload):
    """kind "discord.edit": change a message that a ChannelPost made. Receipt: url.

    The key ``...:edit:N`` changes what ``...:new`` posted. ``mention_role`` is the post's: its line
    stays, and an edit tells nobody.
    """

    channel_id: str
    message_id: str
    guild_id: str
    card: Card
    title: str = ""  # of the forum post's thread, "" leaves it
    mention_role: str = ""


class Crosspost(_Payload):
    """kind "discord.crosspost": publish a message of an announcement channel. Receipt: {}."""

    channel_id: str
    message_id: str


class ThreadStart(_Payload):
    """kind "discord.thread": a thread under a message. Receipt: thread_id, url."""

    channel_id: str
    message_id: str
    guild_id: str
    name: str


class DiscussionPost(_Payload):
    """kind "github.discussion". ``category`` is a category's name. The sender appends the marker
    line with the effect's key. Receipt: id (node id), number, url, category.
    """

    category: str
    title: str
    body: str


class DiscussionEdit(_Payload):
    """kind "github.edit": title, body and category as they should be; the marker of ``key`` is
    kept. Receipt: url.
    """

    discussion_id: str
    key: str
    title: str
    body: str
    category: str


class Labels(_Payload):
    """kind "github.label": those of ``names`` that exist. Receipt: labels (those that were set)."""

    discussion_id: str
    names: tuple[str, ...]


class Comment(_Payload):
    """kind "github.comment". Receipt: id, url."""

    discussion_id: str
    body: str
    reply_to: str = ""


class RepositoryFile(_Payload):
    """kind "github.file": a picture in the picture repository. ``content`` is base64; the path
    holds its hash, so the same picture is stored once. Receipt: url.
    """

    path: str
    content: str
    message: str


def marker(key: str) -> str:
    """The hidden line by which a Discussion or comment of ours is known again."""
    return f"<!-- k2c:post key={short_key(key)} -->"


def fragment(key: str) -> str:
    """What the first link of a Discord message of ours ends with, to be known again by."""
    return f"k2c={short_key(key)}"
