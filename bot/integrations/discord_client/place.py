"""Where an interaction comes from, and what may be shown and done there."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

import discord

from bot.guild_command import GuildHouse
from bot.integrations.discord_client.reply import BROKEN
from bot.render.discord import Message
from bot.results import Posted
from bot.runner import Asker

log = logging.getLogger(__name__)

POST_TRIES_S = (15.0, 15.0, 15.0)
PAUSES_S = (0.0, 1.0, 3.0)


def private_place(interaction: discord.Interaction[Any], house: GuildHouse | None = None) -> bool:
    """Whether answers are for the asker alone: a place that did not invite the bot itself, or a
    home server that has channels for commands, outside of these and their threads.

    A member may have installed it for themselves; other people's servers and chats should not be
    filled with its answers unless they press Share. The bot's own chat is private already.
    """
    if interaction.guild_id is None:
        return interaction.context.private_channel
    if not interaction.is_guild_integration():
        return True
    chosen = house.community.channels("commands") if house is not None else ()
    wanted = {c.channel_id for c in chosen if c.guild_id == str(interaction.guild_id)}
    channel = interaction.channel
    parent = channel.parent_id if isinstance(channel, discord.Thread) else None
    return bool(wanted) and wanted.isdisjoint((str(interaction.channel_id), str(parent)))


def asker_of(interaction: discord.Interaction[Any], *, private: bool) -> Asker:
    """Who asks, and where."""
    return Asker(
        door="discord",
        user_id=str(interaction.user.id),
        guild_id=str(interaction.guild_id or ""),
        channel_id=str(interaction.channel_id or ""),
        private=private,
        roles=_roles(interaction.user),
    )


def _roles(user: discord.User | discord.Member) -> tuple[str, ...]:
    """The ids of the roles they hold in that server, as the interaction itself names them."""
    return tuple(map(str, user._roles)) if isinstance(user, discord.Member) else ()


def is_moderator(interaction: discord.Interaction[Any], guild_id: str) -> bool:
    """Whether they may manage other people's messages in that server."""
    if interaction.guild_id is None or str(interaction.guild_id) != guild_id:
        return False
    may = interaction.permissions
    return may.manage_messages or may.administrator


def may_post(interaction: discord.Interaction[Any]) -> bool:
    """Whether the bot itself, without the interaction's token, can write in this channel."""
    if not interaction.is_guild_integration() or interaction.channel_id is None:
        return False
    may = interaction.app_permissions
    if not may.view_channel:
        return False
    in_thread = isinstance(interaction.channel, discord.Thread)
    return may.send_messages_in_threads if in_thread else may.send_messages


def may_attach(interaction: discord.Interaction[Any]) -> bool:
    """Whether a picture may be sent here; without the right Discord refuses the whole message."""
    return interaction.guild_id is None or interaction.app_permissions.attach_files


async def post_in_channel(interaction: discord.Interaction[Any], message: Message) -> Posted | None:
    """The answer as a plain message that mentions its asker, once; None when it cannot be."""
    if not may_post(interaction) or interaction.channel_id is None:
        return None
    channel = interaction.client.get_partial_messageable(
        interaction.channel_id, guild_id=interaction.guild_id
    )
    only_them = discord.AllowedMentions(
        everyone=False, roles=False, users=[discord.Object(interaction.user.id)]
    )
    nonce = secrets.token_hex(8)  # Discord answers a repeated nonce with the first message
    for pause_s, limit_s in zip(PAUSES_S, POST_TRIES_S, strict=True):
        await asyncio.sleep(pause_s)
        try:
            async with asyncio.timeout(limit_s):
                sent = await channel.send(
                    view=message.layout,
                    files=message.files(),
                    allowed_mentions=only_them,
                    nonce=nonce,
                )
        except BROKEN as error:
            log.info("posting in channel %s again: %s", interaction.channel_id, error)
        except discord.HTTPException as error:
            log.warning("cannot post in channel %s: %s", interaction.channel_id, error)
            return None
        else:
            return Posted(str(interaction.channel_id), str(sent.id))
    return None


async def edit_in_channel(client: discord.Client, posted: Posted, message: Message) -> bool:
    """Change one of our messages by the bot's own right; False where it has none."""
    channel = client.get_partial_messageable(int(posted.channel_id))
    target = channel.get_partial_message(int(posted.message_id))
    for pause_s, limit_s in zip(PAUSES_S, POST_TRIES_S, strict=True):
        await asyncio.sleep(pause_s)
        try:
            async with asyncio.timeout(limit_s):
                await target.edit(view=message.layout, attachments=message.files())
        except BROKEN as error:
            log.info("editing message %s again: %s", posted.message_id, error)
        except discord.HTTPException as error:
            log.info("cannot edit message %s: %s", posted.message_id, error)
            return False
        else:
            return True
    return False
