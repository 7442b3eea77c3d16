"""The message under whose menu somebody pressed, read from what Discord sent with the press.

The press brings that one message whole. Others of its thread are asked for only where the
operator enabled the message-content intent: without it Discord leaves their texts out.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import discord

from bot.discussing import Chat, ChatMessage
from bot.integrations.discord_client.reply import BROKEN, Reply

log = logging.getLogger(__name__)

RESULT = re.compile(r'"k2c:[a-z]{1,20}:([A-Za-z0-9_-]{22})[":]')
PAGE, PAGES = 100, 5  # messages of a thread that are read: more make no readable Discussion
SPOKEN = (0, 19, 20, 23)  # types of messages that people write; others are Discord's own words
STARTER = 21  # the first message of a thread that began under a message
MAX_FILES, MAX_EMBEDS = 20, 10
SWITCHED_OFF = (
    "Only this message can be posted: others in the thread are blank to me until whoever operates "
    "this bot sets K2C_READ_MESSAGES=on and the message-content intent in Discord."
)
BLANK = (
    "Only this message can be posted: Discord gives me the others without their text. The "
    "message-content intent is off for this bot in Discord's developer portal."
)
MAY_NOT = "Only this message can be posted: I lack Read Message History in this thread."
BROKE = "Only this message can be posted: Discord did not give me the others just now."

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen message as Discord sent it; ``reads``: the bot may ask for others."""

    reply: Reply
    message: Raw
    reads: bool

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.message.get("id", ""))


def result_id_of(message: Raw, application_id: str) -> str | None:
    """The result that a message of ours shows, "" if it shows none; None: it is not ours."""
    author = message.get("author") or {}
    if str(author.get("id")) != application_id:
        return None
    found = RESULT.search(json.dumps(message.get("components") or []))
    return found[1] if found else ""


async def read_chosen(chosen: Chosen) -> Chat | None:
    """The message with its names and, where it can be read, its thread; None: it is empty."""
    interaction = chosen.reply.interaction
    channel = interaction.channel
    guild_id, channel_id = str(interaction.guild_id), str(interaction.channel_id)
    said = _said(chosen.message, guild_id, channel_id)
    if said is None:
        return None
    thread_id, name = _thread(chosen.message, channel)
    raw: list[Raw] = []
    why = SWITCHED_OFF if thread_id else ""
    if thread_id and chosen.reads:
        await chosen.reply.think(private=True)
        raw, why = await _conversation(interaction, thread_id)
    thread = _spoken(raw, guild_id, thread_id, str(interaction.application_id))
    if raw and len(thread) > 1 and not any(m.content for m in thread if m.id != said.id):
        thread, why = [], BLANK
    full = len(raw) >= PAGE * PAGES
    known = getattr(channel, "message_count", 0) if full else 0
    names = _Names(interaction.guild)
    for message in (chosen.message, *raw):
        names.learn(message)
    return Chat(
        guild_id=guild_id,
        channel_id=channel_id,
        channel_name=getattr(channel, "name", "") or "",
        message=said,
        thread=tuple(thread) if len(thread) > 1 else (),
        thread_name=name if len(thread) > 1 else "",
        left_out=max(known - len(raw), 1) if full else 0,
        why_not=why if len(thread) <= 1 else "",
        users=names.users,
        channels=names.channels,
        roles=names.roles,
    )


def _thread(message: Raw, channel: object) -> tuple[str, str]:
    """The thread that the message is in or began: id and name, "" where there is none."""
    if isinstance(channel, discord.Thread):
        return str(channel.id), channel.name
    began = message.get("thread")
    if isinstance(began, dict):
        return str(began.get("id", "")), str(began.get("name", ""))
    return "", ""


async def _conversation(
    interaction: discord.Interaction[Any], thread_id: str
) -> tuple[list[Raw], str]:
    """The thread's messages, oldest first, or why they cannot be read."""
    found: list[Raw] = []
    after = 0
    try:
        for _ in range(PAGES):
            page: Any = await interaction.client.http.logs_from(int(thread_id), PAGE, after=after)
            found += sorted(page, key=lambda message: int(message["id"]))
            if len(page) < PAGE:
                break
            after = int(found[-1]["id"])
    except discord.Forbidden:
        return [], MAY_NOT
    except (*BROKEN, discord.HTTPException) as error:
        log.info("thread %s cannot be read: %s", thread_id, error)
        return [], BROKE
    return found, ""


def _spoken(raw: list[Raw], guild_id: str, channel_id: str, own_id: str) -> list[ChatMessage]:
    """What people said; the message that the thread began under comes with its first line."""
    messages = [(m.get("referenced_message") or {}) if m.get("type") == STARTER else m for m in raw]
    said = (
        _said(m, guild_id, str(m.get("channel_id") or channel_id))
        for m in messages
        if str((m.get("author") or {}).get("id")) != own_id
    )
    return [message for message in said if message is not None]


def _said(message: Raw, guild_id: str, channel_id: str) -> ChatMessage | None:
    """One message; None where nobody said anything in it."""
    if message.get("type", 0) not in SPOKEN or not message.get("id"):
        return None
    content = str(message.get("content") or "") or _forwarded(message)
    files = [str(a.get("filename", "file")) for a in message.get("attachments") or ()]
    shows = [str(e["title"]) for e in message.get("embeds") or () if e.get("title")]
    author = message.get("author") or {}
    if not (content.strip() or files or (author.get("bot") and shows)):
        return None
    return ChatMessage(
        id=str(message["id"]),
        author=_name(author),
        content=content,
        url=f"https://discord.com/channels/{guild_id}/{channel_id}/{message['id']}",
        at=_instant(str(message.get("timestamp", "")), int(message["id"])),
        attachments=tuple(files[:MAX_FILES]),
        # A person's embeds are previews of links that stand in the text.
        embeds=tuple(shows[:MAX_EMBEDS]) if author.get("bot") else (),
    )


def _forwarded(message: Raw) -> str:
    for snapshot in message.get("message_snapshots") or ():
        inner = snapshot.get("message") or {}
        if inner.get("content"):
            return str(inner["content"])
    return ""


def _name(user: Raw) -> str:
    return str(user.get("global_name") or user.get("username") or "someone")


def _instant(timestamp: str, id: int) -> float:
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return discord.utils.snowflake_time(id).timestamp()


class _Names:
    """What the mentions in some messages are called."""

    def __init__(self, guild: discord.Guild | None) -> None:
        self._guild = guild
        self.users: dict[str, str] = {}
        self.channels: dict[str, str] = {}
        self.roles: dict[str, str] = {}

    def learn(self, message: Raw) -> None:
        """Those of one message."""
        for user in (*(message.get("mentions") or ()), message.get("author") or {}):
            if user.get("id"):
                self.users[str(user["id"])] = _name(user)
        content = str(message.get("content") or "")
        if self._guild is None:
            return
        for id in re.findall(r"<#(\d{1,20})>", content):
            channel = self._guild.get_channel_or_thread(int(id))
            if channel is not None:
                self.channels[id] = channel.name
        for id in re.findall(r"<@&(\d{1,20})>", content):
            role = self._guild.get_role(int(id))
            if role is not None:
                self.roles[id] = role.name
