"""A world for announcing: a real store and outbox, and an outside that records what is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bot.community.words import ChannelPurpose, ChannelSetting, RolePurpose
from bot.effects import Told
from bot.integrations.announcing.service import Announcer
from bot.integrations.feeds.polled import Polled
from bot.outbox import Effect, Later, Outbox, Receipt
from bot.posting import fragment, marker
from bot.store import Store
from config.settings import load_settings
from content.library import Library
from content.site import load_site
from content.sources.article import Article, Problem, short_key

if TYPE_CHECKING:
    from sqlite_utils import Database

SOURCE = "posts"
GUILD = "1"
NEWS, FORUM, MODS = "100", "200", "900"
GRACE_S = 0.3
QUIET_STEPS = 7  # of 0.05 s each, longer where the disk is slow
KINDS = (
    "github.discussion", "github.edit", "github.label", "discord.post", "discord.edit",
    "discord.crosspost", "discord.thread",
)  # fmt: skip


def article(slug: str = "moe-routing", **given: Any) -> Article:
    """An article of the directory ``posts``."""
    url = given.pop("url", f"https://mlsystems.dev/blog/{slug}")
    fields: dict[str, Any] = {
        "key": url, "slug": slug, "title": slug.replace("-", " ").capitalize(), "url": url,
        "source": SOURCE, "where": f"posts/{slug}.md", "summary": f"What {slug} is about.",
        "authors": ("lchen",), "read_min": 14, "topic": "inference",
        "date": datetime(2026, 11, 12, tzinfo=UTC),
    }  # fmt: skip
    return Article(**(fields | given))


def polled(*articles: Article, **given: Any) -> Polled:
    """What a look at the sources found."""
    problems = given.pop("problems", ())
    return Polled(tuple(articles), tuple(problems), tuple(problems), **given)


def problem(where: str = "posts/broken.md", line: int = 3, sentence: str = "No title.") -> Problem:
    """Something wrong with a file."""
    return Problem(SOURCE, where, line, sentence)


@dataclass
class Rules:
    """What moderators configured."""

    settings: list[ChannelSetting] = field(default_factory=list)
    pings: dict[str | None, str] = field(default_factory=dict)
    chosen: dict[str | None, str] = field(default_factory=dict)
    changes: int = 0

    def channels(self, purpose: ChannelPurpose, topic: str | None = None) -> list[ChannelSetting]:
        """Each channel once, of that topic or of all."""
        found = [s for s in self.settings if s.purpose == purpose]
        found = [s for s in found if topic is None or s.topic in ("", topic)]
        return list({s.channel_id: s for s in found}.values())

    def ping_role(self, guild_id: str, topic: str | None) -> str:
        """The role to mention."""
        return self.pings.get(topic, "")

    def category(self, topic: str | None) -> str:
        """The category that was set."""
        return self.chosen.get(topic, "")

    def may(self, purpose: RolePurpose, guild_id: str, roles: tuple[str, ...]) -> bool:
        """Nobody may anything."""
        return False

    def post_limit(self, guild_id: str, roles: tuple[str, ...]) -> tuple[int, float]:
        """Not asked here."""
        return (0, 0.0)

    def post_limits(self, guild_id: str, roles: tuple[str, ...]) -> Any:
        """Not asked here."""
        return []

    def revision(self) -> int:
        """Grows with every change."""
        return self.changes

    def add(self, channel_id: str, purpose: Any = "announcements", **more: Any) -> None:
        """A moderator sets a channel."""
        self.settings.append(ChannelSetting(GUILD, purpose, channel_id, **more))
        self.changes += 1


@dataclass
class Outside:
    """GitHub and Discord: what was done there, in order. Kinds in ``down`` are put off."""

    done: list[Effect] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    news: set[str] = field(default_factory=set)  # announcement channels
    forums: set[str] = field(default_factory=set)
    every_s: float = 0.0

    async def send(self, effect: Effect) -> Receipt:
        """Do it, unless that service is down."""
        if effect.kind.split(".")[0] in self.down or effect.kind in self.down:
            raise Later("it is down", 0.05)
        self.done.append(effect)
        return self.receipt(effect)

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """What was done is found."""
        return self.receipt(effect) if effect.key in self.done_keys() else None

    def receipt(self, effect: Effect) -> Receipt:
        """As the real senders give them."""
        number = 1 + next(i for i, e in enumerate(self.done) if e.key == effect.key)
        match effect.kind:
            case "github.discussion":
                url = f"https://github.com/mlsystems/site/discussions/{number}"
                return {"id": f"D_{number}", "number": number, "url": url}
            case "discord.post":
                channel = str(effect.payload["channel_id"])
                forum = channel in self.forums
                place = f"{channel}{number}" if forum else channel
                return {
                    "channel_id": place, "message_id": f"{number}",
                    "thread_id": place if forum else "", "crosspostable": channel in self.news,
                    "url": f"https://discord.com/channels/{GUILD}/{place}/{number}",
                }  # fmt: skip
            case "discord.thread":
                number = int(str(effect.payload["message_id"]))
                return {
                    "thread_id": f"{number}",
                    "url": f"https://discord.com/channels/{GUILD}/{number}",
                }
            case _:
                return {}

    def done_keys(self) -> list[str]:
        """The keys of what was done, in order."""
        return [effect.key for effect in self.done]

    def of(self, kind: str) -> list[Effect]:
        """What was done of one kind."""
        return [effect for effect in self.done if effect.kind == kind]

    async def discussions(self) -> list[Any]:
        """What the GitHub service would adopt."""
        rows = []
        for effect in self.of("github.discussion"):
            receipt = self.receipt(effect)
            assert marker(effect.key)
            edits = [e for e in self.of("github.edit")
                     if e.payload["discussion_id"] == receipt["id"]]  # fmt: skip
            stands = (edits[-1] if edits else effect).payload
            rows.append(
                SimpleNamespace(
                    key_short=short_key(effect.key), kind="discussion", id=receipt["id"],
                    number=receipt["number"], url=receipt["url"], title=stands["title"],
                    category=stands["category"], created_at=time.time(),
                    body=f"{stands['body']}\n\n{marker(effect.key)}",
                )
            )  # fmt: skip
        return rows

    async def messages(self, channel_id: str) -> list[Any]:
        """What the Discord service would adopt."""
        rows = []
        threads = {str(effect.payload["message_id"]) for effect in self.of("discord.thread")}
        for effect in self.of("discord.post"):
            receipt = self.receipt(effect)
            if effect.payload["channel_id"] == channel_id:
                assert fragment(effect.key)
                rows.append(
                    SimpleNamespace(
                        key_short=short_key(effect.key), message_id=receipt["message_id"],
                        thread_id=receipt["thread_id"]
                        or (receipt["message_id"] if receipt["message_id"] in threads else ""),
                        url=receipt["url"],
                        created_at=datetime.now(UTC), channel_id=receipt["channel_id"],
                        forum=channel_id in self.forums, crosspostable=False, crossposted=False,
                    )
                )  # fmt: skip
        return rows


@dataclass
class World:
    """One bot's announcing; ``later`` moves its clock."""

    store: Store
    outbox: Outbox
    outside: Outside
    rules: Rules
    announcer: Announcer
    ahead: list[float]

    def later(self, seconds: float) -> None:
        """Time goes by."""
        self.ahead[0] += seconds
        self.announcer.wake()
        self.outbox.wake()

    async def look(self, *articles: Article, **given: Any) -> None:
        """The sources are looked at."""
        await self.announcer.on_articles(polled(*articles, **given))

    async def told(self, key: str) -> Told | None:
        """How an effect stands."""
        return await self.outbox.state_of(key)

    async def until(self, true: Callable[[], bool], what: str = "") -> None:
        """Wait for a state."""
        for _ in range(6000):
            if true():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{what or 'it'} did not come: {self.outside.done_keys()}")

    async def quiet(self) -> None:
        """Until nothing more is done, however slow the disk: a step of the bot's is something
        read, then something written, and here what was to be written before is waited for.
        """
        before, still = -1, 0
        while still < QUIET_STEPS:
            await asyncio.sleep(0.05)
            await self.store.read(_nothing)
            await self.store.write(_nothing)
            still = still + 1 if before == len(self.outside.done) else 0
            before = len(self.outside.done)


def _nothing(db: Database) -> None:
    """Takes its turn at the store."""


@asynccontextmanager
async def world(
    path: Path, outside: Outside | None = None, rules: Rules | None = None, *,
    github: bool = True, discord: bool = True, categories: list[str] | None = None,
    run: bool = True, **more: Any,
) -> AsyncIterator[World]:  # fmt: skip
    """While it runs; the same path again is the same bot after a restart."""
    outside, rules, ahead = outside or Outside(), rules or Rules(), [0.0]
    names = ["Announcements", "Inference & Serving"] if categories is None else categories

    def clock() -> float:
        return time.time() + ahead[0]

    store = await Store.open(path)
    outbox = Outbox(store, clock)
    for kind in KINDS:
        outbox.register(
            kind, outside, every_s=outside.every_s, send_limit_s=GRACE_S / 2, grace_s=GRACE_S
        )
    announcer = Announcer(
        store, outbox, rules, Library(), load_site(), load_settings(articles=(SOURCE,)),
        lambda: names, more.pop("adopt_github", outside.discussions) if github else None,
        more.pop("adopt_channel", outside.messages) if discord else None, clock=clock, **more,
    )  # fmt: skip
    await announcer.start()
    tasks = [asyncio.create_task(outbox.run()), asyncio.create_task(announcer.run())] if run else []
    try:
        yield World(store, outbox, outside, rules, announcer, ahead)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


def days_ago(days: float) -> datetime:
    """That long before now."""
    return datetime.now(UTC) - timedelta(days=days)
