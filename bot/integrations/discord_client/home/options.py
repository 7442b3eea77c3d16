"""The options of a home server's command, read from what was sent: nothing in it is believed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import discord
from discord.asset import Asset

from bot.guild_command import GuildCommand, GuildOption, Picked, Subcommand, Uploaded, Value
from compute.tool import Refused

MAX_UPLOAD = 2**20  # bytes
UPLOAD_S = 10.0
SUBCOMMAND = 1  # Discord's number for an option that is a subcommand
KINDS = {"news": "announcement"}  # Discord's people say announcement channel, its API news

Part = GuildCommand | Subcommand


@dataclass(frozen=True, slots=True)
class Typed:
    """The subcommand (or the command itself) and its options as sent."""

    part: Part
    options: Mapping[str, Any]
    focused: str = ""  # the option that is being typed


def typed_part(command: GuildCommand, data: Mapping[str, Any]) -> Typed | None:
    """What of ``command`` was used; None for a subcommand that there is not."""
    sent = _listed(data)
    part: Part | None = command
    if command.subs:
        chosen = next((o for o in sent if o.get("type") == SUBCOMMAND), {})
        part = next((s for s in command.subs if s.name == chosen.get("name")), None)
        sent = _listed(chosen)
    if part is None:
        return None
    focused = next((str(o.get("name", "")) for o in sent if o.get("focused")), "")
    return Typed(part, {str(o.get("name", "")): o.get("value") for o in sent}, focused)


def _listed(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    options = data.get("options")
    return [o for o in options if isinstance(o, dict)] if isinstance(options, list) else []


async def read_options(typed: Typed, interaction: discord.Interaction[Any]) -> dict[str, Value]:
    """The values by name. Raises ``Refused`` for one that is missing or none of its kind."""
    values: dict[str, Value] = {}
    for option in typed.part.options:
        sent = typed.options.get(option.name)
        if sent is not None:
            values[option.name] = await _value(option, sent, interaction)
        elif option.required:
            raise Refused(f"The option {option.name} is missing: {option.description}.")
    return values


async def _value(option: GuildOption, sent: Any, interaction: discord.Interaction[Any]) -> Value:
    match option.kind:
        case "text":
            return _text(option, sent)
        case "integer":
            if isinstance(sent, int) and not isinstance(sent, bool) and abs(sent) < 2**53:
                return sent
            raise Refused(f"{option.name} must be a whole number.")
        case "boolean":
            if isinstance(sent, bool):
                return sent
            raise Refused(f"{option.name} must be true or false.")
        case "channel":
            return _channel(option, sent, interaction.guild)
        case "role":
            return _role(option, sent, interaction.guild)
        case "attachment":
            return await _uploaded(option, sent, interaction)


def _text(option: GuildOption, sent: Any) -> str:
    text = sent.strip() if isinstance(sent, str) else ""
    if not text:
        raise Refused(f"{option.name} must be some text.")
    values = [value for _, value in option.choices]
    if values and text not in values:
        near = difflib.get_close_matches(text, values, 3, 0.4) or values[:3]
        sentence = f"{option.name} is one of {', '.join(values)}."
        raise Refused(sentence, given=text, nearest=tuple(near))
    return text


def _channel(option: GuildOption, sent: Any, guild: discord.Guild | None) -> Picked:
    found = guild.get_channel(_id(sent)) if guild is not None else None
    if not isinstance(found, discord.TextChannel | discord.ForumChannel):
        raise Refused(
            f"{option.name} must be a text, announcement or forum channel of this server that I "
            "can see."
        )
    return Picked(str(found.id), found.name, KINDS.get(found.type.name, found.type.name))


def _role(option: GuildOption, sent: Any, guild: discord.Guild | None) -> Picked:
    found = guild.get_role(_id(sent)) if guild is not None else None
    if found is None:
        raise Refused(f"{option.name} must be a role of this server.")
    return Picked(str(found.id), found.name.removeprefix("@"), "role")


def _id(sent: Any) -> int:
    return int(sent) if isinstance(sent, str) and sent.isascii() and sent.isdigit() else 0


async def _uploaded(
    option: GuildOption, sent: Any, interaction: discord.Interaction[Any]
) -> Uploaded:
    """The file, from where Discord keeps files and nowhere else."""
    data: Any = interaction.data
    resolved = data.get("resolved") if isinstance(data.get("resolved"), dict) else {}
    kept = resolved.get("attachments")
    file = kept.get(sent) if isinstance(kept, dict) and isinstance(sent, str) else None
    if not isinstance(file, dict) or not _on_cdn(str(file.get("url", ""))):
        raise Refused(f"{option.name} must be a file sent with the command.")
    if not isinstance(size := file.get("size"), int) or size > MAX_UPLOAD:
        raise Refused(f"{option.name} has more than {MAX_UPLOAD // 1024:,} KiB.")
    name = str(file.get("filename", "file"))[:200]
    return Uploaded(name, await _download(str(file["url"])))


def _on_cdn(url: str) -> bool:
    try:
        there, base = urlsplit(url), urlsplit(Asset.BASE)
        return (there.scheme, there.netloc) == (base.scheme, base.netloc)
    except ValueError:
        return False


async def _download(url: str) -> bytes:
    limit = aiohttp.ClientTimeout(total=UPLOAD_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(url, allow_redirects=False) as reply,
        ):
            content = b""
            async for chunk in reply.content.iter_chunked(65_536):
                content += chunk
                if len(content) > MAX_UPLOAD:
                    raise Refused(f"The file has more than {MAX_UPLOAD // 1024:,} KiB.")
            if reply.status == 200:
                return content
    except (aiohttp.ClientError, TimeoutError, ValueError):
        pass
    raise Refused("Discord did not hand out the file. Please send it again.")
