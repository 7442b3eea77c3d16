"""The senders of everything lasting that is posted in configured channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import discord

from bot.integrations.discord_client import channel_edits, channel_posts, crossposts, threads
from bot.integrations.discord_client.adopting import AdoptedMessage, Unreadable, adopt_channel
from bot.integrations.discord_client.desk import Desk
from bot.integrations.discord_client.needs import HISTORY, VIEW
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.places import ClientPlaces
from bot.integrations.discord_client.troubles import Spot, Trouble, Troubles
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

    def __init__(
        self,
        parts: DiscordParts,
        client: Callable[[], K2CClient | None],
        trouble: Trouble,
    ) -> None:
        self._parts = parts
        self._client = client
        self._outbox: Outbox | None = None
        self.places = ClientPlaces(client)
        self._troubles = Troubles(self.places, trouble, self._hasten)
        self._desk = desk = Desk(self._watched, self.places, self._troubles)
        self._senders: dict[str, Sender] = {
            channel_posts.KIND: channel_posts.PostSender(desk),
            channel_edits.KIND: channel_edits.EditSender(desk),
            crossposts.KIND: crossposts.CrosspostSender(desk),
            threads.KIND: threads.ThreadSender(desk),
        }
        self._watching: K2CClient | None = None

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

    async def permissions_changed(self, channel_id: str = "") -> None:
        """That channel, or a role of ours, was changed: what waits for it is tried now."""
        await self._troubles.changed(channel_id)

    async def _hasten(self, kind: str, channel_id: str) -> None:
        if self._outbox is not None:
            await self._outbox.hasten(kind, "channel_id", channel_id)

    def _watched(self) -> K2CClient | None:
        """The client, whose events tell when something is granted."""
        client = self._client()
        if client is not None and client is not self._watching:
            self._watching = client
            _watch(client, self.permissions_changed)
        return client


def _watch(client: discord.Client, changed: Callable[[str], Any]) -> None:
    """Call ``changed`` with the id of a channel that was changed, or "" for a change of roles."""

    async def on_guild_channel_update(_: Any, channel: discord.abc.GuildChannel) -> None:
        await changed(str(channel.id))

    async def on_guild_channel_create(channel: discord.abc.GuildChannel) -> None:
        await changed(str(channel.id))

    async def on_guild_role_update(_: discord.Role, __: discord.Role) -> None:
        await changed("")

    async def on_member_update(_: discord.Member, __: discord.Member) -> None:
        await changed("")  # only our own member is known, so it is our roles

    async def on_guild_available(_: discord.Guild) -> None:
        await changed("")

    for handler in (on_guild_channel_update, on_guild_channel_create, on_guild_role_update,
                    on_member_update, on_guild_available):  # fmt: skip
        client.event(handler)
