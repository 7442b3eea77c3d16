"""Threads under posted messages, one for each."""

from __future__ import annotations

from bot.integrations.discord_client.channels.desk import UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, Desk
from bot.integrations.discord_client.channels.needs import START_THREADS, VIEW
from bot.integrations.discord_client.channels.posts import thread_name
from bot.integrations.discord_client.channels.rest import Busy, Refusal, once
from bot.integrations.discord_client.channels.target import address
from bot.integrations.discord_client.channels.troubles import Spot
from bot.outbox import Effect, Later, Never, Receipt
from bot.posting import ThreadStart

KIND = "discord.thread"
ALREADY = 160004
TOO_MANY_ACTIVE = 160006
TOO_MANY_PAUSE_S = 600.0
GONE = "somebody deleted the message, so no thread can begin there"


class ThreadSender:
    """The outbox's sender for ``KIND``. A message's thread has the message's own id."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(self, effect: Effect) -> Receipt:
        """Begin it. Raises ``Later``, ``Never``, and ``Unsure``."""
        start = ThreadStart.model_validate(effect.payload)
        needs = (VIEW, START_THREADS)
        spot = Spot(KIND, start.guild_id, start.channel_id, "announcements", needs)
        self._desk.check(spot)
        path = f"/channels/{start.channel_id}/messages/{start.message_id}/threads"
        try:
            await self._desk.do(spot, "POST", path, {"name": thread_name(start.name)})
        except Refusal as error:
            if error.code in (UNKNOWN_MESSAGE, UNKNOWN_CHANNEL):
                raise Never(GONE) from error
            if error.code == TOO_MANY_ACTIVE:
                raise Later("the server has as many active threads as it may",
                            TOO_MANY_PAUSE_S) from error  # fmt: skip
            if error.code != ALREADY:
                raise Never(f"Discord begins no thread there: {error}") from error
        self._desk.troubles.settled(spot)
        return _receipt(start)

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """The thread, if it is there; where that cannot be seen, beginning it once more does no
        harm.
        """
        start = ThreadStart.model_validate(effect.payload)
        try:
            await once(self._desk.client(), "GET", f"/channels/{start.message_id}")
        except Refusal:
            return None
        except Busy as error:
            raise Later(str(error), error.after_s, all_of_it=error.whole) from error
        return _receipt(start)


def _receipt(start: ThreadStart) -> Receipt:
    thread_id = start.message_id
    return {"thread_id": thread_id, "url": address(start.guild_id, thread_id)}
