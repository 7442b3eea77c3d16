"""One article, where it goes and how its posts stand: what each of them should show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from bot.effects import Told
from bot.integrations.announcing.records import (
    GITHUB,
    LABELS,
    Post,
    Record,
    github_target,
)
from bot.integrations.announcing.words import (
    card,
    discussion_body,
    discussion_title,
    discussion_view,
)
from bot.posting import Card, DiscussionPost
from content.sources.article import Article

FALLBACK_S = 600.0  # a message waits so long for its Discussion while GitHub is down


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel for announcements; ``ready``: what stands there already is known."""

    channel_id: str
    guild_id: str
    thread: bool = False
    ping_role: str = ""
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Places:
    """Where articles of one topic go now.

    ``github``: Discussions can be had and ours are known; ``wants_github``: they are configured.
    ``category`` is "" while none is known. ``github_heard_at``: when GitHub last did something.
    """

    topic: str = ""
    github: bool = False
    wants_github: bool = False
    category: str = ""
    github_heard_at: float = 0.0
    channels: tuple[Channel, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """One article and all that is known of its posts."""

    record: Record
    posts: tuple[Post, ...]
    receipts: Mapping[str, Told]
    where: Places
    now: float

    @property
    def article(self) -> Article:
        """The article itself."""
        return self.record.article

    def sent(self, key: str) -> Told | None:
        """How the effect ended, if it was done."""
        told = self.receipts.get(key)
        return told if told is not None and told.state == "sent" else None

    def over(self, key: str) -> bool:
        """Whether the effect was done or given up."""
        told = self.receipts.get(key)
        return told is not None and told.state in ("sent", "never")

    def discussion(self) -> DiscussionPost:
        """The Discussion as it should be."""
        gone = self.record.withdrawn
        view = discussion_view(self.article, self.where.topic, self.discord_links(), gone)
        body = discussion_body(view, self.article)
        title = discussion_title(self.article, gone)
        return DiscussionPost(category=self.where.category, title=title, body=body)

    def card(self) -> Card:
        """The message as it should be."""
        told = self.sent(github_target(self.record.short))
        url = str(told.receipt.get("url", "")) if told is not None else ""
        return card(self.article, self.where.topic, url, self.record.withdrawn)

    def discord_links(self) -> list[tuple[str, str]]:
        """Where it is in Discord, names of channels with addresses; none until all messages and
        threads are there, so that the Discussion is edited once for all of them, but for 10
        minutes at most.
        """
        waited = self.now - self.record.announced_at >= FALLBACK_S
        links = []
        for post in self.posts:
            if post.place in (GITHUB, LABELS):
                continue
            told, thread = self.sent(post.target), self.sent(f"{post.base}:thread")
            wants = post.thread and told is not None and not told.receipt.get("thread_id")
            open_still = not self.over(post.target) or (
                wants and not self.over(f"{post.base}:thread")
            )
            if open_still and not waited:
                return []
            if told is not None:
                url = (thread.receipt.get("url") if thread else "") or told.receipt.get("url")
                name = str(told.receipt.get("channel_name") or "")
                links += [(name, str(url))] if url else []
        return links


def digest(shown: Mapping[str, JsonValue]) -> str:
    """SHA-256 of what is shown."""
    return hashlib.sha256(json.dumps(dict(shown), sort_keys=True).encode()).hexdigest()
