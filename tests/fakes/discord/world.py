"""The small world behind the fake: guilds, channels, roles and people, as Discord words them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

EPOCH_MS = 1_420_070_400_000  # 2015-01-01, where Discord's ids begin
TEXT, DM, ANNOUNCEMENT, THREAD, FORUM = 0, 1, 5, 11, 15

PERMISSIONS: Mapping[str, int] = {
    "administrator": 1 << 3,
    "manage_channels": 1 << 4,
    "manage_guild": 1 << 5,
    "add_reactions": 1 << 6,
    "view_channel": 1 << 10,
    "send_messages": 1 << 11,
    "manage_messages": 1 << 13,
    "embed_links": 1 << 14,
    "attach_files": 1 << 15,
    "read_message_history": 1 << 16,
    "mention_everyone": 1 << 17,
    "manage_roles": 1 << 28,
    "manage_webhooks": 1 << 29,
    "use_application_commands": 1 << 31,
    "manage_threads": 1 << 34,
    "create_public_threads": 1 << 35,
    "create_private_threads": 1 << 36,
    "send_messages_in_threads": 1 << 38,
    "moderate_members": 1 << 40,
    "use_external_apps": 1 << 50,
}

EVERYONE_MAY = ("view_channel", "send_messages", "read_message_history", "use_application_commands")
MODERATORS_MAY = ("manage_guild", "manage_channels", "manage_messages", "moderate_members")
# mention_everyone is among them so that a careless @everyone shows up as the ping it would be.
BOT_MAY = (
    *("view_channel", "send_messages", "embed_links", "attach_files", "read_message_history"),
    *("add_reactions", "mention_everyone", "create_public_threads", "send_messages_in_threads"),
)


def bits(*names: str) -> int:
    """Return the permission bits of ``names``."""
    total = 0
    for name in names:
        total |= PERMISSIONS[name]
    return total


def has(permissions: int, name: str) -> bool:
    """Tell whether ``permissions`` hold ``name``; an administrator holds everything."""
    return bool(permissions & (PERMISSIONS[name] | PERMISSIONS["administrator"]))


class Snowflakes:
    """Ids that grow and carry the time, as the library reads an interaction's age from its id."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> str:
        now = int(time.time() * 1000 - EPOCH_MS) << 22
        self._last = max(self._last + 1, now)
        return str(self._last)


@dataclass
class Role:
    """A role; ``permissions`` are bits."""

    id: str
    name: str
    permissions: int
    position: int
    managed: bool = False
    mentionable: bool = False

    def payload(self) -> Json:
        """Return the role as the API gives it."""
        colors = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
        return {
            "id": self.id,
            "name": self.name,
            "color": 0,
            "colors": colors,
            "hoist": False,
            "position": self.position,
            "permissions": str(self.permissions),
            "flags": 0,
            "managed": self.managed,
            "mentionable": self.mentionable,
            "icon": None,
            "unicode_emoji": None,
        }


@dataclass
class Channel:
    """A channel, thread or direct-message channel. ``denied`` are the bits taken from the bot."""

    id: str
    name: str
    type: int
    guild: Guild | None = None
    parent: Channel | None = None
    denied: int = 0
    recipient: Json | None = None
    extra: Json = field(default_factory=dict)

    def payload(self, bot_id: str = "") -> Json:
        """Return the channel as the API gives it."""
        base: Json = {"id": self.id, "type": self.type, "last_message_id": None, "flags": 0}
        if self.type == DM:
            return base | {"recipients": [self.recipient]}
        assert self.guild is not None
        base |= {"name": self.name, "guild_id": self.guild.id, "rate_limit_per_user": 0}
        if self.type == THREAD:
            assert self.parent is not None
            return base | _thread_fields(self.parent.id, bot_id) | self.extra
        overwrite = {"id": bot_id, "type": 1, "allow": "0", "deny": str(self.denied)}
        base |= {"position": 0, "nsfw": False, "topic": None, "parent_id": None}
        base["permission_overwrites"] = [overwrite] if self.denied else []
        return base | self.extra


def _thread_fields(parent_id: str, owner_id: str) -> Json:
    metadata: Json = {"archived": False, "auto_archive_duration": 1440, "locked": False}
    metadata["archive_timestamp"] = "2026-01-01T00:00:00+00:00"
    member = {"flags": 0, "join_timestamp": "2026-01-01T00:00:00+00:00"}
    return {
        "parent_id": parent_id,
        "owner_id": owner_id,
        "member": member,
        "message_count": 0,
        "member_count": 1,
        "thread_metadata": metadata,
    }


@dataclass
class GuildSpec:
    """What a test wants of a guild: channel names with their types, role names with permissions."""

    name: str
    channels: Mapping[str, int] = field(
        default_factory=lambda: {"general": TEXT, "bots": TEXT, "news": ANNOUNCEMENT, "help": FORUM}
    )
    threads: Mapping[str, str] = field(
        default_factory=lambda: {"a-thread": "general", "a-post": "help"}
    )
    roles: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"moderators": MODERATORS_MAY, "contributors": ()}
    )
    has_bot: bool = True
    locale: str = "en-US"


@dataclass
class Guild:
    """A server. ``has_bot`` is false where only its members installed the app for themselves."""

    id: str
    name: str
    locale: str
    has_bot: bool
    bot_id: str
    channels: list[Channel] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)

    def channel(self, name: str) -> Channel:
        """Return the channel or thread called ``name``."""
        return next(c for c in self.channels if c.name == name)

    def role(self, name: str) -> Role:
        """Return the role called ``name``."""
        return next(r for r in self.roles if r.name == name)

    def permissions(self, role_names: tuple[str, ...]) -> int:
        """Return what a member with these roles may do, as bits."""
        total = self.roles[0].permissions
        for role in self.roles:
            if role.name in role_names:
                total |= role.permissions
        return total

    def bot_permissions(self, channel: Channel) -> int:
        """Return what the bot may do in ``channel``, as bits; 0 where it is not a member."""
        if not self.has_bot:
            return 0
        return self.permissions(("bot",)) & ~(channel.parent or channel).denied & ~channel.denied

    def payload(self) -> Json:
        """Return the guild without its channels, as GET /guilds gives it."""
        return {
            "id": self.id,
            "name": self.name,
            "icon": None,
            "splash": None,
            "features": [],
            "owner_id": "1",
            "afk_timeout": 0,
            "verification_level": 0,
            "mfa_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "emojis": [],
            "roles": [r.payload() for r in self.roles],
            "stickers": [],
            "nsfw_level": 0,
            "preferred_locale": self.locale,
            "premium_tier": 0,
            "system_channel_flags": 0,
            "afk_channel_id": None,
            "system_channel_id": None,
            "rules_channel_id": None,
        }

    def create_event(self, bot: Json) -> Json:
        """Return GUILD_CREATE's data."""
        mine = [self.role("bot").id]
        plain = [c for c in self.channels if c.type != THREAD]
        threads = [c for c in self.channels if c.type == THREAD]
        return self.payload() | {
            "joined_at": "2026-01-01T00:00:00+00:00",
            "large": False,
            "unavailable": False,
            "member_count": 10,
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "channels": [c.payload(self.bot_id) for c in plain],
            "soundboard_sounds": [],
            "threads": [c.payload(self.bot_id) for c in threads],
            "members": [member_payload(bot, mine)],
            "guild_scheduled_events": [],
        }


def build_guild(spec: GuildSpec, new_id: Snowflakes, bot_id: str) -> Guild:
    """Make the guild that ``spec`` asks for."""
    guild = Guild(new_id(), spec.name, spec.locale, spec.has_bot, bot_id)
    guild.roles.append(Role(guild.id, "@everyone", bits(*EVERYONE_MAY), 0))
    guild.roles.append(Role(new_id(), "bot", bits(*BOT_MAY), 1, managed=True))
    for position, (name, may) in enumerate(spec.roles.items(), start=2):
        guild.roles.append(Role(new_id(), name, bits(*may), position))
    for name, kind in spec.channels.items():
        guild.channels.append(Channel(new_id(), name, kind, guild))
    for name, parent in spec.threads.items():
        guild.channels.append(Channel(new_id(), name, THREAD, guild, guild.channel(parent)))
    return guild


def user_payload(user_id: str, name: str, *, bot: bool = False) -> Json:
    """Return a user object."""
    return {
        "id": user_id,
        "username": name,
        "global_name": None if bot else name.title(),
        "discriminator": "0",
        "avatar": None,
        "bot": bot,
        "public_flags": 0,
    }


def member_payload(user: Json, role_ids: list[str], permissions: int | None = None) -> Json:
    """Return a member object; ``permissions`` are given inside interactions only."""
    member: Json = {
        "user": user,
        "roles": role_ids,
        "joined_at": "2026-01-01T00:00:00+00:00",
        "nick": None,
        "avatar": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "premium_since": None,
        "communication_disabled_until": None,
    }
    return member if permissions is None else member | {"permissions": str(permissions)}
