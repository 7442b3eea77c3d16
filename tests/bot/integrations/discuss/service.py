"""The service with a database, a community and a GitHub that remembers, without Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.command import Command
from bot.community.service import CommunityBook
from bot.community.words import By, RoleSetting
from bot.discussing import Asked, Chat, ChatMessage, Poster, Wish
from bot.integrations.discuss.service import Discussing
from bot.outbox import Effect, Outbox, Receipt
from bot.results import Results, StoredResult
from bot.runner import Asker, Runner
from bot.store import Store
from compute.context import LocalContext
from compute.ending import end
from config.settings import load_settings
from tests.bot.integrations.discord_client import pace
from tests.bot.integrations.discuss.github import GitHub

HOME, ROLE = "100", "200"
ALICE = Poster("1", "Alice", HOME, (ROLE,), moderator=False)
BOB = Poster("2", "Bob", HOME, (ROLE,), moderator=False)
WISH = Wish("A title", "General")


@dataclass
class Discord:
    """Takes posts in channels and remembers them."""

    posts: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    async def send(self, effect: Effect) -> Receipt:
        """Take one."""
        assert effect.key not in self.posts
        self.posts[effect.key] = effect.payload
        return {}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Never asked: nothing is left unknown."""
        raise AssertionError(effect.key)


@dataclass
class Made:
    """One process."""

    store: Store
    outbox: Outbox
    results: Results
    runner: Runner
    book: CommunityBook
    discussing: Discussing
    running: list[asyncio.Task[None]]

    async def result(self, command: Command | None = None, **inputs: Any) -> StoredResult:
        """A kept answer that Alice asked for in a channel of the home server."""
        tool = (command or pace.command()).tool
        asker = Asker("discord", ALICE.user_id, HOME, "300")
        outcome = await self.runner.run(tool, {"gpu": "h100", **inputs}, asker)
        assert outcome.saved is not None
        await outcome.saved
        await self.results.attach_message(outcome.id, "300", "400")
        row = await self.results.get(outcome.id)
        assert row is not None
        return row

    async def end_of(self, asked: Asked) -> Asked:
        """How a post ended."""
        assert asked.state == "posting", asked
        return await self.discussing.ended(asked.key, 10.0)


@dataclass
class Place:
    """A database in a folder; ``open`` runs a process over it, again and again."""

    folder: Path
    github: GitHub = field(default_factory=GitHub)
    discord: Discord = field(default_factory=Discord)
    charts: pace.Charts = field(default_factory=pace.Charts)
    settings: dict[str, Any] = field(default_factory=dict)
    categories: list[str] = field(default_factory=lambda: ["Announcements", "General", "Q&A"])
    commands: dict[str, Command] = field(default_factory=lambda: {"pace": pace.command()})
    clock: Any = None
    known: Callable[[], bool] = lambda: True

    @asynccontextmanager
    async def open(self, *, serve: bool = True) -> AsyncIterator[Made]:
        """A process; with ``serve`` False nothing is sent and no end is written down."""
        store = await Store.open(self.folder / "k2c.sqlite")
        context = LocalContext("http://127.0.0.1:9")
        results = Results(store)
        outbox = Outbox(store)
        self.github.register(outbox)
        outbox.register("discord.post", self.discord)
        book = await CommunityBook.open(store, (int(HOME),))
        more = {"clock": self.clock} if self.clock is not None else {}
        discussing = Discussing(
            store, outbox, book, self.commands, results, self.charts,
            load_settings(**({"home_guild_ids": HOME} | self.settings)),
            lambda: list(self.categories), known=self.known, **more,
        )  # fmt: skip
        await book.set(RoleSetting(HOME, "post-results", ROLE), By("9", "mod"))
        work = (outbox.run, discussing.run) if serve else ()
        running = [asyncio.create_task(run()) for run in work]
        runner = Runner(results, context, retention_days=90)
        try:
            yield Made(store, outbox, results, runner, book, discussing, running)
        finally:
            await end(*running)
            await context.close()
            await store.close()


def chat(content: str = "why?", **changes: Any) -> Chat:
    """A message in a channel."""
    said = ChatMessage(
        id="500", author="Carol", content=content, url="https://discord.com/channels/100/300/500",
        at=1.7e9,
    )  # fmt: skip
    fields = {"guild_id": HOME, "channel_id": "300", "channel_name": "general", "message": said}
    return Chat.model_validate(fields | changes)
