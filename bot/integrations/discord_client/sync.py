"""Registers the commands with Discord: only when they changed, or when Discord lost them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.store import Store

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

REMEMBERED = "SELECT key FROM facts WHERE key GLOB ? AND value <> ''"
NOT_THERE = (
    "Server %d does not take its own commands (%s): add the bot there with the scopes bot and "
    "applications.commands, or take the server out of DISCORD_GUILD_ID."
)


async def sync_everywhere(
    tree: app_commands.CommandTree[Any], store: Store, homes: Iterable[int]
) -> set[int]:
    """The commands of every server, those of the home servers, and none any more in a server that
    is no longer one. The home servers that do not take theirs; else it raises as ``sync_commands``.
    """
    await sync_commands(tree, store)
    prefix = f"discord.commands.{tree.client.application_id}."

    def keys(db: Database) -> list[str]:
        return [key for (key,) in db.conn.execute(REMEMBERED, [f"{prefix}[0-9]*"])]

    former = {int(key.removeprefix(prefix)) for key in await store.read(keys)}
    homes, absent = set(homes), set()
    for home in homes:
        known = home in former or tree.get_commands(guild=discord.Object(home))
        if known and not await sync_home(tree, store, discord.Object(home)):
            absent.add(home)
    for guild_id in former - homes:
        await sync_home(tree, store, discord.Object(guild_id))
        await store.set_fact(f"{prefix}{guild_id}", "")
    return absent


async def sync_home(
    tree: app_commands.CommandTree[Any], store: Store, guild: discord.abc.Snowflake
) -> bool:
    """The commands of one home server; where we are not, the log says so and joining syncs it."""
    try:
        await sync_commands(tree, store, guild)
    except (discord.Forbidden, discord.NotFound) as error:
        log.warning(NOT_THERE, guild.id, error)
        return False
    return True


async def sync_commands(
    tree: app_commands.CommandTree[Any],
    store: Store,
    guild: discord.abc.Snowflake | None = None,
) -> bool:
    """One bulk overwrite if it is needed; whether it was.

    ``guild`` None registers the commands of every server; a home server's own commands are those
    the tree holds for it. What was last registered is kept as a hash under the application and
    the scope; Discord's own list is asked too, because a kept hash says nothing about a server
    that lost its commands. Raises discord.py's and aiohttp's errors.
    """
    key = f"discord.commands.{tree.client.application_id}.{guild.id if guild else 'global'}"
    wanted = commands_hash(tree, guild)
    held = {(c.type.value, c.name) for c in await tree.fetch_commands(guild=guild)}
    ours = {(_type(c), c.name) for c in tree.get_commands(guild=guild)}
    if held == ours and await store.fact(key) == wanted:
        return False
    await tree.sync(guild=guild)
    await store.set_fact(key, wanted)
    log.info("registered %d commands with Discord", len(ours))
    return True


def commands_hash(
    tree: app_commands.CommandTree[Any], guild: discord.abc.Snowflake | None = None
) -> str:
    """SHA-256 of everything Discord is told about the commands."""
    commands = sorted(tree.get_commands(guild=guild), key=lambda c: (_type(c), c.name))
    payload = json.dumps([command.to_dict(tree) for command in commands], sort_keys=True)
    return hashlib.sha256(payload.encode()).hexdigest()


def _type(command: Any) -> int:
    kind = command.type if isinstance(command, app_commands.ContextMenu) else None
    return kind.value if kind else discord.AppCommandType.chat_input.value
