"""The senders of everything lasting that is posted in configured channels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.integrations.discord_client.channels import crossposts, edits, posts, threads
from bot.integrations.discord_client.channels.adopting import (
    AdoptedMessage,
    Unreadable,
    adopt_channel,
)
from bot.integrations.discord_client.channels.desk import Desk
from bot.integrations.discord_client.channels.needs import HISTORY, VIEW
from bot.integrations.discord_client.channels.places import ClientPlaces
from bot.integrations.discord_client.channels.troubles import Spot, Trouble, Troubles
from bot.outbox import Outbox, Sender

if TYPE_CHECKING:
    from bot.integrations.discord_client.client import K2CClient

ADOPTING = "adopting"
AT_ONCE = 4  # so that one slow channel does not keep the others waiting
SEND_LIMIT_S, GRACE_S = 25.0, 40.0


class ChannelSenders:
    """``client`` gives the one that is logged in, if any. ``trouble(guild, channel, purpose,
    lacking)`` is called once for each channel and set of lacking permissions.
    """

    def __init__(self, client: Callable[[], K2CClient | None], trouble: Trouble) -> None:
        self._outbox: Outbox | None = None
        self.places = ClientPlaces(client)
        self._troubles = Troubles(self.places, trouble, self._hasten)
        self._desk = desk = Desk(client, self.places, self._troubles)
        self._senders: dict[str, Sender] = {
            posts.KIND: posts.PostSender(desk),
            edits.KIND: edits.EditSender(desk),
            crossposts.KIND: crossposts.CrosspostSender(desk),
            threads.KIND: threads.ThreadSender(desk),
        }
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, outbox: Outbox, *, grace_s: float = GRACE_S) -> None:
        """Take all effects of these kinds."""
        self._outbox = outbox
        limit_s = min(SEND_LIMIT_S, grace_s * 0.75)
        for kind, sender in self._senders.items():
            outbox.register(kind, sender, at_once=AT_ONCE, send_limit_s=limit_s, grace_s=grace_s)

    async def adopt(self, channel_id: str) -> list[AdoptedMessage]:
        """What of ours stands there; moderators are told where that may not be read. Raises
        ``Unreadable``, and ``Later`` while there is no connection.
        """
        client = self._desk.client()
        guild = self.places.guild_of(channel_id)
        spot = Spot(ADOPTING, guild, channel_id, "announcements", (VIEW, HISTORY))
        try:
            found = await adopt_channel(client, channel_id)
        except Unreadable as error:
            if error.lacking:
                await self._troubles.met(spot, error.lacking)
            raise
        self._troubles.settled(spot)
        return found

    def channels_changed(self, guild_id: str) -> None:
        """Channels, roles or our rights there were changed: what may work now is tried now."""
        if not self._troubles.in_guild(guild_id):
            return
        task = asyncio.create_task(self._troubles.changed(guild_id), name="channels-changed")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hasten(self, kind: str, channel_id: str) -> None:
        if self._outbox is not None:
            await self._outbox.hasten(kind, "channel_id", channel_id)
