"""What of ours stands in a channel already, for a bot that has lost its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import discord

from bot.integrations.discord_client.channels.cards import key_in
from bot.integrations.discord_client.channels.needs import CHANNEL, HISTORY, VIEW
from bot.integrations.discord_client.channels.past import forum_starters, messages_since
from bot.integrations.discord_client.channels.places import ClientPlaces
from bot.integrations.discord_client.channels.target import Target, address, read_target

if TYPE_CHECKING:
    from bot.integrations.discord_client.client import K2CClient

CROSSPOSTED = 1 << 0  # a message's flag


class Unreadable(Exception):
    """What stands there cannot be read now; nobody may conclude that nothing does.

    ``lacking`` are the permissions that are missing, if they are the reason.
    """

    def __init__(self, channel_id: str, why: object, lacking: Sequence[str] = ()) -> None:
        super().__init__(f"channel {channel_id}: {why}")
        self.lacking = list(lacking)


@dataclass(frozen=True, slots=True)
class AdoptedMessage:
    """A message of ours with a key. ``channel_id`` and ``thread_id`` are as in the receipts: of a
    forum post both are its thread; of a message with a thread, ``thread_id`` is that one.
    """

    key_short: str
    message_id: str
    thread_id: str
    url: str
    created_at: datetime
    channel_id: str = ""
    forum: bool = False
    crosspostable: bool = False
    crossposted: bool = False
    channel_name: str = ""


async def adopt_channel(client: K2CClient, channel_id: str) -> list[AdoptedMessage]:
    """Our messages there that carry a key, the newest first, among the newest 1,000 messages; of
    a forum among its 1,000 newest posts, archived ones too. Raises ``Unreadable``.
    """
    places = ClientPlaces(lambda: client)
    lacking = places.lacking_of(channel_id, [VIEW, HISTORY])
    if lacking is None:
        lacking = [CHANNEL] if places.knows_servers() else []
        raise Unreadable(channel_id, "not known to this connection", lacking)
    if lacking:
        # Without the history Discord shows an empty channel and no error.
        raise Unreadable(channel_id, f"I need {', '.join(lacking)}", lacking)
    try:
        target = read_target(await client.http.get_channel(int(channel_id)))
        read = forum_starters if target.kind == "forum" else messages_since
        found = [
            _adopted(message, target)
            async for message in read(client, channel_id, target.guild_id, 0.0)
            if key_in(message)
        ]
    except (discord.DiscordException, OSError) as error:
        raise Unreadable(channel_id, error) from error
    return found


def _adopted(message: Mapping[str, Any], target: Target) -> AdoptedMessage:
    message_id, channel_id = str(message["id"]), str(message["channel_id"])
    forum = target.kind == "forum"
    thread = message_id if forum else str((message.get("thread") or {}).get("id", ""))
    return AdoptedMessage(
        key_short=key_in(message),
        message_id=message_id,
        thread_id=thread,
        url=address(target.guild_id, channel_id, message_id),
        created_at=datetime.fromisoformat(str(message["timestamp"])),
        channel_id=channel_id,
        forum=forum,
        crosspostable=target.kind == "announcement",
        crossposted=bool(int(message.get("flags") or 0) & CROSSPOSTED),
        channel_name=target.name,
    )
