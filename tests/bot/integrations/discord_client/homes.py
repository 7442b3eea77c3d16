"""A running bot whose home servers have /config, and what a test asks of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.commands.home.config import COMMAND
from bot.community.service import CommunityBook
from bot.guild_command import GuildCommand, GuildHouse
from bot.integrations.discord_client.channels.places import ClientPlaces
from bot.integrations.discord_client.parts import DiscordParts, Menu
from bot.outbox import Outbox
from content.library import Library
from tests.bot.integrations.discord_client.conftest import Bot, World
from tests.fakes.discord import FakeDiscord, Guild, GuildSpec
from tests.fakes.discord.user import User

CATEGORIES = ("General", "Kernels", "Show and tell")


@dataclass
class Home:
    """``waiting`` are the posts that wait, by channel; ``changed`` the servers that were told of
    as changed.
    """

    world: World
    waiting: dict[str, int] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    running: Bot | None = None
    opened: CommunityBook | None = None

    @property
    def book(self) -> CommunityBook:
        """The settings."""
        assert self.opened is not None
        return self.opened

    @property
    def bot(self) -> Bot:
        """The process that runs."""
        assert self.running is not None
        return self.running

    @property
    def mod(self) -> User:
        """A member with Manage Server."""
        return self.world.fake.user("mod", roles=["moderators"])

    @property
    def alice(self) -> User:
        """A member without it."""
        return self.world.fake.user("alice")

    async def waiting_in(self, channel_id: str) -> int:
        """How many posts wait for that channel."""
        return self.waiting.get(channel_id, 0)


@asynccontextmanager
async def home_bot(
    world: World,
    *,
    commands: Sequence[GuildCommand] = (COMMAND,),
    categories: Sequence[str] = CATEGORIES,
    menus: dict[str, Menu] | None = None,
    secret: str = "",
) -> AsyncIterator[Home]:
    """A process of the bot, with the settings that its database holds."""
    home = Home(world)

    async def extra(parts: DiscordParts, outbox: Outbox) -> DiscordParts:
        ids = parts.settings.home_guild_ids
        home.opened = await CommunityBook.open(parts.store, ids, secret)
        house = GuildHouse(
            home.book,
            Library(),
            ClientPlaces(lambda: home.running.client if home.running else None),
            categories=lambda: list(categories),
            waiting_in=home.waiting_in,
        )
        return replace(
            parts,
            guild_commands={command.name: command for command in commands},
            house=house,
            menus=menus or {},
            channels_changed=home.changed.append,
        )

    world.extra = extra
    async with world.bot() as bot:
        home.running = bot
        yield home


def two_homes(world: World) -> Guild:
    """Make the fake's second server a home too; it is returned."""
    world.settings["home_guild_ids"] = f"{world.fake.home.id},{world.fake.other.id}"
    return world.fake.other


def raw(guild: Guild, command: str = "config") -> dict[str, Any]:
    """What a crafted request says besides its options."""
    return {"raw": True, "guild": guild, "channel": guild.channels[0]}


def command_names(fake: FakeDiscord, guild: Guild) -> list[str]:
    """The commands of that server alone, as Discord has them."""
    return [command["name"] for command in fake.guild_commands.get(guild.id, [])]


__all__ = ["CATEGORIES", "GuildSpec", "Home", "command_names", "home_bot", "raw", "two_homes"]
