"""What stands in a channel already: our messages and forum posts, the newest first.

These are reads, which the library may repeat as it likes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import discord

if TYPE_CHECKING:
    from bot.integrations.discord_client.client import K2CClient

Json = Mapping[str, Any]

BEFORE_S = 600.0  # how far before the attempt is looked: two clocks never quite agree
PAGE, MOST = 100, 1_000  # messages or forum posts that are looked through


async def messages_since(
    client: K2CClient, channel_id: str, guild_id: str, since: float
) -> AsyncIterator[Json]:
    """Our own messages of that time (Unix seconds) and later."""
    oldest = _oldest(since)
    before: int | None = None
    for _ in range(MOST // PAGE):
        page = await client.http.logs_from(int(channel_id), PAGE, before=before)
        for message in page:
            if int(message["id"]) < oldest:
                return
            if message["author"]["id"] == _own_id(client):
                yield message
        if len(page) < PAGE:
            return
        before = int(page[-1]["id"])


async def forum_starters(
    client: K2CClient, channel_id: str, guild_id: str, since: float
) -> AsyncIterator[Json]:
    """The first messages of our own forum posts of that time (Unix seconds) and later."""
    async for thread in _own_threads(client, channel_id, guild_id, _oldest(since)):
        try:
            yield await client.http.get_message(int(thread["id"]), int(thread["id"]))
        except discord.NotFound:
            continue  # its first message was deleted, the discussion under it stands


async def _own_threads(
    client: K2CClient, channel_id: str, guild_id: str, oldest: int
) -> AsyncIterator[Json]:
    active = await client.http.get_active_threads(int(guild_id))
    mine = [t for t in active["threads"] if str(t.get("parent_id")) == channel_id]
    seen = 0
    async for thread in _one_after_another(mine, _archived(client, channel_id)):
        seen += 1
        if seen > MOST:
            return
        if str(thread.get("owner_id")) == _own_id(client) and int(thread["id"]) >= oldest:
            yield thread


async def _one_after_another(first: list[Any], then: AsyncIterator[Json]) -> AsyncIterator[Json]:
    for thread in sorted(first, key=lambda thread: -int(thread["id"])):
        yield thread
    async for thread in then:
        yield thread


async def _archived(client: K2CClient, channel_id: str) -> AsyncIterator[Json]:
    """Its archived posts, those archived last first."""
    before: Any = None
    while True:
        page = await client.http.get_public_archived_threads(int(channel_id), before, PAGE)
        for thread in page["threads"]:
            yield thread
        if not page.get("has_more") or not page["threads"]:
            return
        before = page["threads"][-1]["thread_metadata"]["archive_timestamp"]


def _oldest(since: float) -> int:
    """The id of a message made then; 0 for all there are."""
    if since <= 0:
        return 0
    at = max(since - BEFORE_S, discord.utils.DISCORD_EPOCH / 1000)
    return discord.utils.time_snowflake(datetime.fromtimestamp(at, UTC))


def _own_id(client: K2CClient) -> str:
    return str(client.user.id) if client.user is not None else ""
