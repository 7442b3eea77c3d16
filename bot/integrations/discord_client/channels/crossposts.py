"""Messages of announcement channels, published to the servers that follow them."""

from __future__ import annotations

from bot.integrations.discord_client.channels.desk import UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, Desk
from bot.integrations.discord_client.channels.needs import SEND, VIEW
from bot.integrations.discord_client.channels.rest import Busy, Refusal, once
from bot.integrations.discord_client.channels.troubles import Spot
from bot.outbox import Effect, Later, Never, Receipt
from bot.posting import Crosspost

KIND = "discord.crosspost"
ALREADY = 40033
CROSSPOSTED = 1 << 0  # a message's flag
GONE = "somebody deleted the message, so there is nothing to publish"


class CrosspostSender:
    """The outbox's sender for ``KIND``. Discord takes 10 an hour in a channel; the others of that
    channel wait as long as it says, those of other channels do not.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(self, effect: Effect) -> Receipt:
        """Publish it. Raises ``Later``, ``Never``, and ``Unsure``."""
        post = Crosspost.model_validate(effect.payload)
        guild = self._desk.places.guild_of(post.channel_id)
        spot = Spot(KIND, guild, post.channel_id, "announcements", (VIEW, SEND))
        self._desk.check(spot)
        path = f"/channels/{post.channel_id}/messages/{post.message_id}/crosspost"
        try:
            await self._desk.do(spot, "POST", path)
        except Refusal as error:
            if error.code in (UNKNOWN_MESSAGE, UNKNOWN_CHANNEL):
                raise Never(GONE) from error
            if error.code != ALREADY:
                raise Never(f"Discord does not publish it: {error}") from error
        self._desk.troubles.settled(spot)
        return {}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Whether the message says that it was published; where that cannot be read, publishing
        once more does no harm.
        """
        post = Crosspost.model_validate(effect.payload)
        path = f"/channels/{post.channel_id}/messages/{post.message_id}"
        try:
            message = await once(self._desk.client(), "GET", path)
        except Refusal:
            return None
        except Busy as error:
            raise Later(str(error), error.after_s, all_of_it=error.whole) from error
        return {} if int(message.get("flags") or 0) & CROSSPOSTED else None
