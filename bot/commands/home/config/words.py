"""What the answers of /config have in common: names, refusals of permissions, who asks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bot.community.changes import Names
from bot.community.words import By, ChannelSetting, Setting
from bot.guild_command import Caller, GuildHouse
from bot.progress_view import duration
from bot.view import Bold, Span, Text

GONE = "the channel itself"  # what bot.guild_command.Places calls a channel that is not there


def by_of(caller: Caller) -> By:
    """Who changes something, for the audit log."""
    return By(caller.user_id, caller.user_name)


def names_in(house: GuildHouse, guild_id: str) -> Names:
    """The names that channels and roles of a server have now."""

    def name(id: str) -> str:
        known = "everyone" if id == guild_id else house.places.name_of(guild_id, id)
        return " ".join(known.split())

    return name


def ago(at: float) -> str:
    """ "2 h ago"."""
    return f"{duration(max(time.time() - at, 0.0))} ago"


def lacking(house: GuildHouse, setting: ChannelSetting) -> list[str]:
    """The permissions that the bot lacks for what the channel is configured for."""
    return house.places.lacking(setting.channel_id, setting.purpose, thread=setting.thread)


def state_words(missing: Sequence[str]) -> str:
    """ "ok", or what is wrong."""
    if not missing:
        return "ok"
    if GONE in missing:
        return "not there, or hidden from me"
    return f"no permission: {', '.join(missing)}"


async def grants(house: GuildHouse, guild_id: str, settings: Sequence[Setting]) -> list[Text]:
    """One sentence for each channel where something is to be granted."""
    names = names_in(house, guild_id)
    told: dict[str, list[str]] = {}
    for setting in settings:
        if isinstance(setting, ChannelSetting):
            known = told.setdefault(setting.channel_id, [])
            known += [one for one in lacking(house, setting) if one not in known]
    return [
        Text(_grant(names(channel_id) or channel_id, missing, await waiting(house, channel_id)))
        for channel_id, missing in told.items()
        if missing
    ]


async def waiting(house: GuildHouse, channel_id: str) -> int:
    """How many posts wait for that channel."""
    return await house.waiting_in(channel_id) if house.waiting_in is not None else 0


def _grant(name: str, missing: Sequence[str], posts: int) -> tuple[Span, ...]:
    if GONE in missing:
        wait = f" {posts:,} {'post waits' if posts == 1 else 'posts wait'}." if posts else ""
        return (
            Bold(f"#{name}"),
            ": I cannot see it. It was deleted, or I lack View Channel there. The setting is kept "
            f"until you remove it.{wait}",
        )
    then = f"I'll post the {_posts(posts)} by myself" if posts else "posts go there by themselves"
    return (Bold(f"#{name}"), ": give me ", Bold(", ".join(missing)), f" there and {then}.")


def _posts(posts: int) -> str:
    return "waiting post" if posts == 1 else f"{posts:,} waiting posts"
