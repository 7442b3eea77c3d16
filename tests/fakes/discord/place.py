"""Where a user acts, and whether the app is there through its server or through the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from tests.fakes.discord.world import BOT_MAY, EVERYONE_MAY, Channel, Guild, Json, bits

IN_GUILD, IN_BOT_DM, ELSEWHERE = 0, 1, 2
BY_GUILD, BY_USER = 0, 1


class Where(TypedDict, total=False):
    """What a test may say about the place; nothing said means the home server's first channel."""

    guild: Guild
    channel: Channel
    dm: bool
    user_install: bool


@dataclass(frozen=True)
class Place:
    """A channel, with the way the app came there."""

    channel: Channel
    user_install: bool = False

    @property
    def guild(self) -> Guild | None:
        """The server, or ``None`` in direct messages."""
        return self.channel.guild

    @property
    def context(self) -> int:
        """Discord's number for this kind of place."""
        return IN_BOT_DM if self.guild is None else IN_GUILD

    def app_permissions(self) -> int:
        """Return what the app may do here, as bits."""
        if self.guild is None:
            return bits(*BOT_MAY)
        if self.user_install:
            return bits(*EVERYONE_MAY, "embed_links", "attach_files")
        return self.guild.bot_permissions(self.channel)

    def payload(self, user_id: str) -> Json:
        """Return an interaction's fields about the place."""
        owner = user_id if self.user_install else (self.guild.id if self.guild else "0")
        found: Json = {
            "channel": self.channel.payload() | {"permissions": str(bits(*EVERYONE_MAY))},
            "channel_id": self.channel.id,
            "context": self.context,
            "authorizing_integration_owners": {str(int(self.user_install)): owner},
            "app_permissions": str(self.app_permissions()),
        }
        if self.guild is not None:
            part = {"id": self.guild.id, "locale": self.guild.locale, "features": []}
            found |= {"guild_id": self.guild.id, "guild": part, "guild_locale": self.guild.locale}
        return found

    def offers(self, command: Json) -> bool:
        """Tell whether a registered command shows up here."""
        if (owner := command.get("guild_id")) is not None:
            return self.guild is not None and self.guild.id == owner
        contexts = command.get("contexts")
        installs = command.get("integration_types") or [BY_GUILD]
        if contexts is not None and self.context not in contexts:
            return False
        if contexts is None and self.guild is None and command.get("dm_permission") is False:
            return False
        return (BY_USER if self.user_install else BY_GUILD) in installs
