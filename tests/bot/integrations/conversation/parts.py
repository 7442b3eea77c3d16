"""A database, an outbox whose messages are kept in memory, and the conversation over them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bot.community.words import ChannelPurpose, ChannelSetting
from bot.integrations.conversation.service import Conversation
from bot.outbox import Effect, Outbox, Receipt
from bot.posting import Card, ChannelPost, MessageEdit
from bot.store import Store
from content.site import load_site
from tests.fakes.github import FakeGitHub
from tests.fakes.github.world import Comment, Discussion

if TYPE_CHECKING:
    from bot.community.words import Community

GUILD = "1"
OURS = "k2c-bot"
MARKED = "body\n<!-- k2c:post key=0123456789012345678901 -->"


@dataclass
class Channels:
    """What moderators configured."""

    settings: list[ChannelSetting] = field(
        default_factory=lambda: [ChannelSetting(GUILD, "discussions", "100")]
    )
    categories: dict[str, str] = field(default_factory=dict)

    def channels(self, purpose: ChannelPurpose, topic: str | None = None) -> list[ChannelSetting]:
        """See ``Community``."""
        found = [s for s in self.settings if s.purpose == purpose]
        return [s for s in found if topic is None or s.topic in ("", topic)]

    def category(self, topic: str | None) -> str:
        """See ``Community``."""
        return self.categories.get(topic or "", "")


@dataclass(frozen=True)
class Origin:
    """A message in Discord."""

    guild_id: str = GUILD
    channel_id: str = "55"
    message_id: str = "66"


@dataclass
class Discord:
    """Does "discord.post" and "discord.edit"; ``messages`` is what people see, by id."""

    messages: dict[str, Card] = field(default_factory=dict)
    posts: list[ChannelPost] = field(default_factory=list)
    edits: list[MessageEdit] = field(default_factory=list)

    async def send(self, effect: Effect) -> Receipt:
        """One message, or a change of one."""
        if effect.kind == "discord.post":
            post = ChannelPost.model_validate(dict(effect.payload))
            self.posts.append(post)
            message_id = str(900 + len(self.posts))
            self.messages[message_id] = post.card
            return {"channel_id": post.channel_id, "message_id": message_id}
        edit = MessageEdit.model_validate(dict(effect.payload))
        assert edit.message_id in self.messages
        self.edits.append(edit)
        self.messages[edit.message_id] = edit.card
        return {}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Nothing here is ever in doubt."""
        raise AssertionError(effect.key)


@dataclass
class World:
    """The conversation, with a clock that a test moves."""

    github: FakeGitHub
    store: Store
    outbox: Outbox
    discord: Discord
    community: Channels
    talk: Conversation
    now: list[float]
    origins: dict[int, Origin]

    async def event(
        self, name: str, discussion: Discussion, guid: str = "", comment: Comment | None = None
    ) -> bool:
        """A delivery, as the webhook hands it on."""
        payload = self.github.event(name, discussion, comment=comment)
        kind, _, action = name.partition(".")
        return await self.talk.take(kind, action, payload, guid)

    async def told(self, after_s: float = 0.0) -> bool:
        """Let ``after_s`` pass, tell what is due and wait until Discord has it."""
        self.now[0] += after_s
        waiting = await self.talk.flush()
        async with asyncio.timeout(10):
            while await self.store.read(_open):  # noqa: ASYNC110 -- a row has no event
                await asyncio.sleep(0.01)
        return waiting

    def seen(self) -> list[str]:
        """The titles of the messages in Discord, in order."""
        return [card.title for card in self.discord.messages.values()]


def _is_ours(login: str) -> bool:
    return login.removesuffix("[bot]") == OURS


def _open(db: Any) -> int:
    return int(db.conn.execute("SELECT COUNT(*) FROM outbox WHERE ended_at = 0").fetchone()[0])


@asynccontextmanager
async def a_world(folder: Path, github: FakeGitHub) -> AsyncIterator[World]:
    """One process of the bot, as far as it is needed here."""
    store = await Store.open(folder / "k2c.sqlite")
    outbox, discord, community = Outbox(store), Discord(), Channels()
    for kind in ("discord.post", "discord.edit"):
        outbox.register(kind, discord)
    now = [float(int(time.time()))]
    github.now = lambda: datetime.fromtimestamp(now[0], UTC)
    origins: dict[int, Origin] = {}

    async def origin_of(number: int) -> Origin | None:
        return origins.get(number)

    async def fetch(since: float) -> Sequence[Mapping[str, Any]]:
        return listed(github, since)

    talk = Conversation(
        store, outbox, cast("Community", community), load_site(), _is_ours,
        fetch=fetch, origin_of=origin_of, clock=lambda: now[0],
    )  # fmt: skip
    running = asyncio.create_task(outbox.run())
    try:
        yield World(github, store, outbox, discord, community, talk, now, origins)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.close()


def listed(github: FakeGitHub, since: float) -> list[Mapping[str, Any]]:
    """As ``GitHubService.discussions_since`` gives them."""
    changed = [d for d in github.discussions if d.updated_at.timestamp() >= since]
    return [_node(d) for d in sorted(changed, key=lambda d: d.updated_at, reverse=True)]


def _node(d: Discussion) -> Mapping[str, Any]:
    newest = [_comment_node(c) for c in d.comments[-1:]]
    answer = d.answer
    return {
        "id": d.id, "number": d.number, "title": d.title, "url": d.url, "body": d.body,
        "author": {"login": d.author}, "category": {"name": d.category.name},
        "locked": d.locked, "closed": d.closed,
        "createdAt": d.created_at.isoformat(), "updatedAt": d.updated_at.isoformat(),
        "answer": _comment_node(answer) if answer else None,
        "comments": {"totalCount": len(d.comments), "nodes": newest},
    }  # fmt: skip


def _comment_node(c: Comment) -> Mapping[str, Any]:
    return {"id": c.id, "url": c.url, "body": c.body, "author": {"login": c.author},
            "createdAt": c.created_at.isoformat()}  # fmt: skip
