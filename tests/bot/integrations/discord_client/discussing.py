"""The real client with a community, a GitHub that remembers, and everything that posts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.command import Command
from bot.community.service import CommunityBook
from bot.community.words import By, LimitSetting, RoleSetting
from bot.integrations.discord_client.channels.senders import ChannelSenders
from bot.integrations.discord_client.client import K2CClient
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discuss.service import Discussing
from bot.outbox import Outbox
from compute.ending import end
from tests.bot.integrations.discord_client.conftest import Bot, World
from tests.bot.integrations.discuss.github import GitHub
from tests.fakes.discord import Reply
from tests.fakes.discord.user import User

BY = By("1", "mod")


@dataclass
class Posting:
    """A world in which answers and messages can be posted."""

    world: World
    github: GitHub = field(default_factory=GitHub)
    categories: list[str] = field(default_factory=lambda: ["Announcements", "General", "Q&A"])
    book: CommunityBook | None = None
    service: Discussing | None = None
    outbox: Outbox | None = None
    client: K2CClient | None = None
    troubles: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def bot(self, commands: Mapping[str, Command] | None = None) -> AsyncIterator[Bot]:
        """A process of the bot; whoever is a contributor may post."""
        running: list[asyncio.Task[None]] = []

        async def extra(parts: DiscordParts, outbox: Outbox) -> DiscordParts:
            self.outbox = outbox
            home = parts.settings.home_guild_ids
            self.book = await CommunityBook.open(parts.store, home)
            self.github.register(outbox)
            self.service = Discussing(
                parts.store, outbox, self.book, parts.commands, parts.results, parts.charts,
                parts.settings, lambda: list(self.categories),
            )  # fmt: skip
            running.append(asyncio.create_task(self.service.run()))
            parts = replace(parts, discussing=self.service)
            ChannelSenders(lambda: self.client, self._trouble).register(outbox, grace_s=2.0)
            return parts

        self.world.extra = extra
        try:
            async with self.world.bot(commands) as bot:
                self.client = bot.client
                role = self.world.fake.home.role("contributors").id
                await self.community.set(RoleSetting(self.guild_id, "post-results", role), BY)
                yield bot
        finally:
            await end(*running)

    @property
    def guild_id(self) -> str:
        """The home server's id."""
        return self.world.fake.home.id

    @property
    def community(self) -> CommunityBook:
        """What moderators set."""
        assert self.book is not None
        return self.book

    @property
    def discussing(self) -> Discussing:
        """The service."""
        assert self.service is not None
        return self.service

    async def limit(self, runs: int) -> None:
        """So many posts an hour."""
        await self.community.set(LimitSetting(self.guild_id, "posts", runs, "hour"), BY)

    def member(self, name: str = "alice") -> User:
        """Somebody who may post."""
        return self.world.fake.user(name, roles=("contributors",))

    async def asked(self, name: str = "alice", **options: object) -> Reply:
        """A finished answer, public in the home server."""
        reply = await self.member(name).slash("pace", {"gpu": "h100", **options})
        await reply.edited()
        return reply

    async def _trouble(self, *what: Any) -> None:
        self.troubles.append(what)
