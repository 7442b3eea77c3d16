"""What the connection knows of channels and roles now, from Discord's own events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import discord
from discord.abc import GuildChannel

from bot.integrations.discord_client.channels.needs import (
    ATTRIBUTES,
    CHANNEL,
    KINDS,
    MENTION,
    VIEW,
    Kind,
    needed,
)

if TYPE_CHECKING:
    from bot.integrations.discord_client.client import K2CClient

Channel = GuildChannel | discord.Thread


class ClientPlaces:
    """``bot.guild_command.Places`` over the client that is logged in, if any."""

    def __init__(self, client: Callable[[], K2CClient | None]) -> None:
        self._client = client

    def lacking(self, channel_id: str, purpose: str, *, thread: bool = False) -> list[str]:
        """The permissions lacking there for that purpose, in Discord's words; a channel that is
        not there lacks "the channel itself". Nothing while no server is known yet.
        """
        channel = self._channel(channel_id)
        if channel is None:
            return [CHANNEL] if self.knows_servers() else []
        return lacking_in(channel, needed(purpose, kind_of(channel), thread=thread))

    def lacking_of(self, channel_id: str, names: Iterable[str]) -> list[str] | None:
        """Which of these permissions are lacking there; None for a channel that is not known."""
        channel = self._channel(channel_id)
        return None if channel is None else lacking_in(channel, names)

    def lacking_to_ping(self, channel_id: str, role_id: str) -> list[str]:
        """What is missing for a mention of that role to tell anybody."""
        channel = self._channel(channel_id)
        role = channel.guild.get_role(_number(role_id)) if channel is not None else None
        if channel is None or role is None or role.mentionable:
            return []
        return lacking_in(channel, [MENTION])

    def guild_of(self, channel_id: str) -> str:
        """The server of a channel; "" when it is not known."""
        channel = self._channel(channel_id)
        return str(channel.guild.id) if channel is not None else ""

    def is_gone(self, guild_id: str, role_id: str) -> bool:
        """Whether that role was deleted; False while its server is not known."""
        client = self._client()
        guild = client.get_guild(_number(guild_id)) if client is not None else None
        return guild is not None and guild.get_role(_number(role_id)) is None

    def name_of(self, guild_id: str, id: str) -> str:
        """A channel's or role's name; "" when it is not known."""
        client = self._client()
        guild = client.get_guild(_number(guild_id)) if client is not None else None
        if guild is None:
            return ""
        found = guild.get_channel_or_thread(_number(id)) or guild.get_role(_number(id))
        return found.name if found is not None else ""

    def _channel(self, channel_id: str) -> Channel | None:
        client = self._client()
        found = client.get_channel(_number(channel_id)) if client is not None else None
        return found if isinstance(found, GuildChannel | discord.Thread) else None

    def knows_servers(self) -> bool:
        """Whether Discord has told what is in the servers; before that nothing is missing."""
        client = self._client()
        return (
            client is not None
            and all(not guild.unavailable for guild in client.guilds)
            and bool(client.guilds)
        )


def kind_of(channel: Channel) -> Kind:
    """What a message there is."""
    return KINDS.get(channel.type.value, "other")


def lacking_in(channel: Channel, names: Iterable[str]) -> list[str]:
    """Which of these permissions the bot does not have there. Without sight there is nothing."""
    if isinstance(channel, discord.Thread) and channel.parent is None:
        return [VIEW]
    mine = channel.permissions_for(channel.guild.me)
    if not mine.view_channel:
        return [VIEW, *(n for n in names if n != VIEW and not _granted(channel, n))]
    return [name for name in names if not getattr(mine, ATTRIBUTES[name])]


def _granted(channel: Channel, name: str) -> bool:
    """Whether it would be there if the channel could be seen: the whole server grants it."""
    return bool(getattr(channel.guild.me.guild_permissions, ATTRIBUTES[name]))


def _number(id: str) -> int:
    return int(id) if id.isdecimal() else 0
