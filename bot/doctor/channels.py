"""The channels that moderators configured: does each grant the bot what it is there for."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from bot.community.ledger import read_setting
from bot.community.words import ChannelSetting, RoleSetting, Setting
from bot.doctor.finding import Finding
from bot.integrations.discord_client.channels.needs import (
    ADMINISTRATOR,
    BITS,
    CHANNEL,
    KINDS,
    MENTION,
    VIEW,
    needed,
)
from bot.store import FILE_NAME, connect
from config.settings import Settings

Json = Mapping[str, Any]
Fetch = Callable[[str], Awaitable[Json | None]]

ROLE, MEMBER = 0, 1  # whom an overwrite is for
SHOWN = 100  # characters of a name that others chose
SETTINGS = "SELECT guild_id, setting FROM community_settings"
FIX = "In Discord: Edit Channel, Permissions, add the bot and allow these. What waits is then sent."
GONE_FIX = "Give the bot View Channel there, or set another channel with /config channel."


async def configured(settings: Settings) -> list[Setting] | None:
    """What the database holds of the home servers; None where there is none to read."""
    return await asyncio.to_thread(_read, settings)


def _read(settings: Settings) -> list[Setting] | None:
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        return None
    home = {str(guild) for guild in settings.home_guild_ids}
    try:
        with contextlib.closing(connect(path, "ro")) as db:
            rows = db.conn.execute(SETTINGS).fetchall()
            return [read_setting(guild, text) for guild, text in rows if guild in home]
    except (sqlite3.Error, OSError, ValueError, KeyError, TypeError):
        return None  # the database's own check says what is wrong with it


async def examine_channels(
    found: Sequence[Setting], guild: Json, member: Json, channels: Iterable[Json], fetch: Fetch
) -> list[Finding]:
    """What each channel configured in this server lacks; one line for all that lack nothing.

    ``fetch(path)`` gives an object of the API, None where it is refused: threads are not among
    ``channels``.
    """
    mine = [s for s in found if s.guild_id == str(guild["id"])]
    wanted = [s for s in mine if isinstance(s, ChannelSetting)]
    if not wanted:
        fix = "A moderator sets one with /config channel."
        return [Finding(f"channels {guild['id']}", "off", "No channel is configured.", fix)]
    roles = {str(role["id"]): role for role in guild.get("roles", ())}
    pings = any(not roles.get(s.role_id, {}).get("mentionable") for s in mine
                if isinstance(s, RoleSetting) and s.purpose == "ping")  # fmt: skip
    known = {str(channel["id"]): channel for channel in channels}
    findings = []
    for setting in wanted:
        channel = known.get(setting.channel_id) or await fetch(f"/channels/{setting.channel_id}")
        findings += _of_one(setting, channel, known, guild, member, pings)
    if findings:
        return findings
    many = len({setting.channel_id for setting in wanted})
    words = f"{many} configured channel{'s grant' if many > 1 else ' grants'} all that is needed."
    return [Finding(f"channels {guild['id']}", "ok", words)]


def _of_one(
    setting: ChannelSetting, channel: Json | None, known: Mapping[str, Json], guild: Json,
    member: Json, pings: bool,
) -> list[Finding]:  # fmt: skip
    part = f"channel {setting.channel_id}"
    if channel is None:
        words = f"Set for {setting.purpose}, and is gone or hidden from the bot ({CHANNEL})."
        return [Finding(part, "problem", words, GONE_FIX)]
    kind = KINDS.get(int(channel.get("type", 0)), "other")
    names = needed(setting.purpose, kind, thread=setting.thread)
    names += [MENTION] if pings and setting.purpose == "announcements" else []
    home = known.get(str(channel.get("parent_id"))) if kind == "thread" else channel
    may = permissions_in(guild, member, home or {})
    lacking = [name for name in names if not may & (BITS[name] | ADMINISTRATOR)]
    if not may & (BITS[VIEW] | ADMINISTRATOR):
        lacking = [VIEW]
    if not lacking:
        return []
    words = f"#{_name(channel)}, set for {setting.purpose}, lacks {', '.join(lacking)}."
    return [Finding(part, "problem", words, FIX)]


def permissions_in(guild: Json, member: Json, channel: Json) -> int:
    """The member's permission bits in a channel, by Discord's order: everyone, roles, member."""
    everyone, own = str(guild["id"]), {str(role) for role in member.get("roles", ())}
    may = 0
    for role in guild.get("roles", ()):
        if str(role["id"]) in own | {everyone}:
            may |= int(role.get("permissions", 0))
    if may & ADMINISTRATOR:
        return may
    rules = [(str(o["id"]), int(o.get("type", ROLE)), int(o.get("allow", 0)), int(o.get("deny", 0)))
             for o in channel.get("permission_overwrites") or ()]  # fmt: skip
    user = str((member.get("user") or {}).get("id"))
    for chosen in (
        [rule for rule in rules if rule[0] == everyone],
        [rule for rule in rules if rule[1] == ROLE and rule[0] in own],
        [rule for rule in rules if rule[1] == MEMBER and rule[0] == user],
    ):
        allow = deny = 0
        for _, _, allowed, denied in chosen:
            allow, deny = allow | allowed, deny | denied
        may = (may & ~deny) | allow
    return may


def _name(channel: Json) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(channel.get("name"))).strip()
    return text[:SHOWN] or "(no name)"
