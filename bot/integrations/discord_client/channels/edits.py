"""Changes to messages that a post made; made twice they change nothing more."""

from __future__ import annotations

from typing import Any

from bot.integrations.discord_client.channels.cards import card_body
from bot.integrations.discord_client.channels.desk import (
    THREAD_ARCHIVED,
    UNKNOWN_CHANNEL,
    UNKNOWN_MESSAGE,
    Desk,
)
from bot.integrations.discord_client.channels.needs import VIEW
from bot.integrations.discord_client.channels.posts import LOCKED, thread_name
from bot.integrations.discord_client.channels.rest import Refusal
from bot.integrations.discord_client.channels.target import address
from bot.integrations.discord_client.channels.troubles import Spot
from bot.outbox import Effect, Never, Receipt
from bot.posting import MessageEdit

KIND = "discord.edit"
GONE = "somebody deleted the message, so there is nothing to change"


class EditSender:
    """The outbox's sender for ``KIND``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(self, effect: Effect) -> Receipt:
        """Make it show the card. Raises ``Later``, ``Never``, and ``Unsure``."""
        edit = MessageEdit.model_validate(effect.payload)
        spot = Spot(KIND, edit.guild_id, edit.channel_id, "announcements", (VIEW,))
        self._desk.check(spot)
        body = card_body(edit.card, made_by(effect.key), edit.mention_role, pings=False)
        path = f"/channels/{edit.channel_id}/messages/{edit.message_id}"
        try:
            await self._edit(spot, path, body)
            if edit.title:
                await self._name(spot, thread_name(edit.title))
        except Refusal as error:
            if error.code in (UNKNOWN_MESSAGE, UNKNOWN_CHANNEL):
                raise Never(GONE) from error
            raise Never(f"Discord refuses the change: {error}") from error
        self._desk.troubles.settled(spot)
        return {"url": address(edit.guild_id, edit.channel_id, edit.message_id)}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """None: making it once more is the way to be sure."""
        return None

    async def _edit(self, spot: Spot, path: str, body: dict[str, Any]) -> None:
        try:
            await self._desk.do(spot, "PATCH", path, body)
        except Refusal as error:
            if error.code != THREAD_ARCHIVED:
                raise
            await self._open(spot)
            await self._desk.do(spot, "PATCH", path, body)

    async def _open(self, spot: Spot) -> None:
        """Take the thread out of the archive, where nothing can be changed."""
        if (await self._desk.look(spot)).locked:
            raise Never(LOCKED)
        await self._desk.do(spot, "PATCH", f"/channels/{spot.channel_id}", {"archived": False})

    async def _name(self, spot: Spot, name: str) -> None:
        """Rename the forum post; only where needed, for Discord allows it twice in 10 min."""
        target = await self._desk.look(spot)
        if target.kind != "thread" or target.name == name:
            return
        if target.archived:
            await self._open(spot)
        await self._desk.do(spot, "PATCH", f"/channels/{spot.channel_id}", {"name": name})


def made_by(key: str) -> str:
    """The key of the post that an edit's key belongs to: ``a:b:edit:3`` changes ``a:b:new``."""
    head, _, _ = key.rpartition(":edit:")
    return f"{head}:new" if head else key
