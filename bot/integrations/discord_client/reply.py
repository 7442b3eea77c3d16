"""The answer to one interaction, sent once whatever happens to the connection on the way.

Discord gives 3 s for the first answer and takes only one; every later change is an edit, which
may be repeated. discord.py repeats on 429 and 5xx, but not when a connection breaks (on Linux).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

import aiohttp
import discord

from bot.render.discord import Message
from bot.results import Posted

log = logging.getLogger(__name__)

# The library waits 1 s after one 5xx and 3 s after a second, which is too late: after 2 s we
# stop waiting and ask again. What is left of the 3 s allows two more tries.
ACK_TRIES_S = (2.0, 0.5, 0.4)
EDIT_TRIES_S = (20.0, 20.0, 20.0)
PAUSES_S = (0.0, 0.5, 2.0)  # before each try of an edit

ALREADY_ANSWERED = 40060
UNKNOWN_INTERACTION = 10062
UNKNOWN_MESSAGE = 10008
DEAD_TOKEN = (50027, 10015, UNKNOWN_INTERACTION)

BROKEN = (OSError, aiohttp.ClientError, TimeoutError, discord.DiscordServerError)


class Fate(Enum):
    """What became of one send."""

    DONE = auto()
    TAKEN = auto()  # another copy of this interaction was answered: say nothing
    LATE = auto()  # the interaction is no longer known
    GONE = auto()  # somebody deleted the message
    DEAD = auto()  # the interaction's 15 minutes are over
    LOST = auto()  # Discord could not be reached
    DENIED = auto()  # a permission was taken away meanwhile


class Stage(Enum):
    """What the person has seen so far."""

    NOTHING = auto()
    THINKING = auto()
    HELD = auto()  # a button's press is acknowledged, its message unchanged
    ANSWERED = auto()


class Reply:
    """One interaction's answer; ``counts`` says how often each fate was met."""

    def __init__(self, interaction: discord.Interaction[Any], counts: Counter[str]) -> None:
        self.interaction = interaction
        self.stage = Stage.NOTHING
        self.posted: Posted | None = None
        self._counts = counts

    async def answer(self, message: Message, *, private: bool) -> Fate:
        """Show ``message``: as the first answer, or in place of "thinking"."""
        if self.stage is not Stage.NOTHING:
            return await self.edit(message)

        async def send() -> discord.InteractionCallbackResponse[Any]:
            return await self.interaction.response.send_message(
                view=message.layout, files=message.files(), ephemeral=private
            )

        return await self._or_edit(await self._first(send, Stage.ANSWERED), message)

    async def update(self, message: Message) -> Fate:
        """Change the message whose button was pressed, as the first answer."""

        async def send() -> discord.InteractionCallbackResponse[Any] | None:
            return await self.interaction.response.edit_message(
                view=message.layout, attachments=message.files()
            )

        return await self._or_edit(await self._first(send, Stage.ANSWERED), message)

    async def think(self, *, private: bool) -> Fate:
        """Show "thinking": the answer takes longer than Discord waits."""
        fate = await self._first(
            lambda: self.interaction.response.defer(thinking=True, ephemeral=private),
            Stage.THINKING,
        )
        if fate is Fate.LOST:
            self.stage = Stage.THINKING  # it may stand; the edit that follows will find out
        return fate

    async def hold(self) -> Fate:
        """Acknowledge a press; an edit of its message follows."""
        return await self._first(self.interaction.response.defer, Stage.HELD)

    async def form(self, modal: discord.ui.Modal) -> Fate:
        """Open a form."""
        return await self._first(
            lambda: self.interaction.response.send_modal(modal), Stage.ANSWERED
        )

    async def edit(self, message: Message) -> Fate:
        """Change the answer (or the message of a held press). May be repeated without harm."""
        for pause_s, limit_s in zip(PAUSES_S, EDIT_TRIES_S, strict=True):
            if self.interaction.is_expired():
                return self._met(Fate.DEAD)
            await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(limit_s):
                    edited = await self.interaction.edit_original_response(
                        view=message.layout, attachments=message.files()
                    )
            except BROKEN as error:
                self._retried("edit", error)
            except discord.HTTPException as error:
                return self._met(_edit_fate(error))
            else:
                self._stands(edited.id)
                return Fate.DONE
        return self._met(Fate.LOST)

    async def whisper(self, message: Message) -> None:
        """One more message for the person alone. Never repeated: it cannot be recognised."""
        try:
            await self.interaction.followup.send(
                view=message.layout, files=message.files(), ephemeral=True, wait=True
            )
        except (*BROKEN, discord.HTTPException) as error:
            log.warning("a follow-up was not delivered: %s", error)

    async def find_message(self) -> None:
        """Learn which message holds the answer where Discord's reply with it was lost."""
        if self.posted is None and self.stage is Stage.ANSWERED:
            try:
                async with asyncio.timeout(EDIT_TRIES_S[0]):
                    self._stands((await self.interaction.original_response()).id)
            except (*BROKEN, discord.DiscordException) as error:
                log.info("the message of an answer is not known: %s", error)

    async def _first(self, send: Callable[[], Awaitable[Any]], then: Stage) -> Fate:
        """The one first answer, tried again at once when its fate is not known."""
        tried = False
        for limit_s in ACK_TRIES_S:
            try:
                async with asyncio.timeout(limit_s):
                    callback = await send()
            except BROKEN as error:
                tried = True
                self._retried("first answer", error)
            except discord.HTTPException as error:
                if error.code == ALREADY_ANSWERED and tried:
                    self.stage = then  # by ourselves: only the reply to it was lost
                    return Fate.DONE
                return self._met(_first_fate(error))
            else:
                self.stage = then
                if then is Stage.ANSWERED and callback is not None and callback.message_id:
                    self._stands(callback.message_id)
                return Fate.DONE
        return self._met(Fate.LOST)

    async def _or_edit(self, fate: Fate, message: Message) -> Fate:
        """With no reply to any try the answer may stand all the same: an edit shows it."""
        return await self.edit(message) if fate is Fate.LOST else fate

    def _stands(self, message_id: int) -> None:
        self.stage = Stage.ANSWERED
        channel = self.interaction.channel_id
        self.posted = Posted(str(channel) if channel else "", str(message_id))

    def _retried(self, what: str, error: Exception) -> None:
        self._counts["retried"] += 1
        name = type(error).__name__
        log.info("interaction %d: %s again after %s", self.interaction.id, what, name)

    def _met(self, fate: Fate) -> Fate:
        self._counts[fate.name.lower()] += 1
        log.warning("interaction %d: %s", self.interaction.id, fate.name.lower())
        return fate


def _first_fate(error: discord.HTTPException) -> Fate:
    """What a refused first answer means. Raises what only a mistake of ours explains."""
    if error.code == ALREADY_ANSWERED:
        return Fate.TAKEN
    if error.code == UNKNOWN_INTERACTION:
        return Fate.LATE
    if error.status == 429:
        return Fate.LOST
    raise error


def _edit_fate(error: discord.HTTPException) -> Fate:
    if error.code == UNKNOWN_MESSAGE:
        return Fate.GONE
    if error.code in DEAD_TOKEN:
        return Fate.DEAD
    if error.status == 403:
        return Fate.DENIED
    if error.status == 429:
        return Fate.LOST
    raise error
