"""Discord: is the token taken, is the bot in its home servers, may it speak there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from bot.community.words import Setting
from bot.doctor.channels import configured, examine_channels
from bot.doctor.finding import Finding, place
from config.settings import Settings

DEFAULT_BASE = "https://discord.com/api/v10"
CALL_S = 4.0
SHOWN = 100  # characters of a name that others chose

ADMINISTRATOR = 1 << 3
# What answering takes in a channel; bits of Discord's permission table.
NEEDED: Mapping[str, int] = {
    "View Channels": 1 << 10,
    "Send Messages": 1 << 11,
    "Embed Links": 1 << 14,
    "Attach Files": 1 << 15,
    "Read Message History": 1 << 16,  # whether an answer of unknown fate stands there
    "Send Messages in Threads": 1 << 38,
}
# What a server may want besides: threads under announcements.
INVITED = sum(NEEDED.values()) | 1 << 35


class _Refused(Exception):
    """Discord answered with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class _Api:
    """GET requests with the bot's token, which is in no message."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def get(self, path: str) -> dict[str, Any]:
        """The object at ``path``. Raises ``_Refused``, ``TimeoutError``, aiohttp's errors."""
        async with self._session.get(self._base + path, allow_redirects=False) as reply:
            if reply.status != 200:
                raise _Refused(reply.status)
            found = await reply.json(content_type=None)
        if not isinstance(found, dict):
            raise _Refused(reply.status)
        return found

    async def rows(self, path: str) -> list[dict[str, Any]]:
        """The list at ``path``. Raises as ``get`` does."""
        async with self._session.get(self._base + path, allow_redirects=False) as reply:
            if reply.status != 200:
                raise _Refused(reply.status)
            found = await reply.json(content_type=None)
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    async def perhaps(self, path: str) -> dict[str, Any] | None:
        """The object at ``path``, None where it is not there or hidden."""
        try:
            return await self.get(path)
        except _Refused as refused:
            if refused.status in (403, 404):
                return None
            raise


async def examine_discord(settings: Settings) -> list[Finding]:
    """The token first; then the application and every home server, at once."""
    if settings.discord_token is None:
        fix = "Make a bot at https://discord.com/developers/applications and set DISCORD_TOKEN."
        return [Finding("discord", "off", "DISCORD_TOKEN is not set.", fix)]
    base = settings.discord_api_base or DEFAULT_BASE
    headers = {
        "Authorization": f"Bot {settings.discord_token.get_secret_value()}",
        "User-Agent": "DiscordBot (k2c doctor, 1)",
    }
    timeout = aiohttp.ClientTimeout(total=CALL_S)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            found = await configured(settings)
            return await _ask(_Api(session, base), settings.home_guild_ids, place(base), found)
    except _Refused as refused:
        return [_refusal(refused.status, place(base))]
    except TimeoutError:
        return [_unreachable(f"{place(base)} did not answer within {CALL_S:g} s.")]
    except (aiohttp.ClientError, ValueError) as error:
        return [_unreachable(f"{place(base)} cannot be reached ({type(error).__name__}).")]


async def _ask(
    api: _Api, home: tuple[int, ...], where: str, channels: Sequence[Setting] | None
) -> list[Finding]:
    me, application = await asyncio.gather(api.get("/users/@me"), api.get("/applications/@me"))
    name = _name(me.get("username"))
    app_id = _digits(application.get("id"))
    found = [
        Finding("discord", "ok", f"The token is good: {name}, at {where}."),
        Finding("discord intents", "ok", "The bot uses no privileged intent; none need be on."),
    ]
    if not home:
        fix = "Set DISCORD_GUILD_ID to your server's id (Developer Mode, right click, Copy ID)."
        sentence = "No server is home: every server gets the capped commands."
        return [*found, Finding("discord servers", "off", sentence, fix)]
    asked = [_server(api, guild, _digits(me.get("id")), app_id, channels) for guild in home]
    return [*found, *(one for server in await asyncio.gather(*asked) for one in server)]


async def _server(
    api: _Api, guild_id: int, bot_id: str, app_id: str, channels: Sequence[Setting] | None
) -> list[Finding]:
    part = f"server {guild_id}"
    invite = f"Invite the bot with {invite_url(app_id, guild_id)}"
    try:
        guild, member = await asyncio.gather(
            api.get(f"/guilds/{guild_id}"), api.get(f"/guilds/{guild_id}/members/{bot_id}")
        )
    except _Refused as refused:
        if refused.status in (403, 404):
            return [Finding(part, "problem", "The bot is not in this server.", invite)]
        return [_refusal(refused.status, "Discord", part)]
    own = _whole_server(part, guild, member, invite)
    if channels is None:
        return [own]
    try:
        listed = await api.rows(f"/guilds/{guild_id}/channels")
        return [own, *await examine_channels(channels, guild, member, listed, api.perhaps)]
    except _Refused as refused:
        return [own, _refusal(refused.status, "Discord", f"channels {guild_id}")]


def _whole_server(
    part: str, guild: Mapping[str, Any], member: Mapping[str, Any], invite: str
) -> Finding:
    name = _name(guild.get("name"))
    may = _permissions(guild, member)
    missing = [words for words, bit in NEEDED.items() if not may & (bit | ADMINISTRATOR)]
    if missing:
        sentence = f"In {name} the bot lacks {', '.join(missing)}."
        fix = f"Give its role these permissions. {invite} adds them."
        return Finding(part, "problem", sentence, fix)
    sentence = f"In {name}, with all permissions it needs (channels may still take some away)."
    return Finding(part, "ok", sentence)


def _permissions(guild: Mapping[str, Any], member: Mapping[str, Any]) -> int:
    """What the bot may do in the whole server: the roles' bits together, @everyone's too."""
    own = {str(guild.get("id")), *map(str, member.get("roles", ()))}
    total = 0
    for role in guild.get("roles", ()):
        if str(role.get("id")) in own:
            total |= int(role.get("permissions", 0))
    return total


def invite_url(app_id: str, guild_id: int) -> str:
    """Where someone who manages the server adds the bot with what it needs."""
    return (
        f"https://discord.com/oauth2/authorize?client_id={app_id}&guild_id={guild_id}"
        f"&scope=bot+applications.commands&permissions={INVITED}"
    )


def _refusal(status: int, where: str, part: str = "discord") -> Finding:
    if status == 401:
        fix = "Copy the token again: developer portal, your application, Bot, Reset Token."
        return Finding(part, "problem", f"{where} refuses the token.", fix)
    if status == 429:
        sentence = f"{where} asks us to wait (429)."
        return Finding(part, "problem", sentence, "Try again in a minute.")
    if status >= 500:
        sentence = f"{where} has trouble of its own ({status})."
        return Finding(part, "problem", sentence, "Try again later.")
    fix = "Check DISCORD_API_BASE: it ends in /api/v10."
    return Finding(part, "problem", f"{where} does not answer as Discord does ({status}).", fix)


def _unreachable(sentence: str) -> Finding:
    fix = "Check the network, and DISCORD_API_BASE if it is set."
    return Finding("discord", "problem", sentence, fix)


def _name(value: object) -> str:
    """A name others chose: one line, nothing invisible."""
    text = "".join(c if c.isprintable() else " " for c in str(value)).strip()
    return text[:SHOWN] or "(no name)"


def _digits(value: object) -> str:
    text = str(value)
    return text if text.isdigit() else "0"
