"""What every interaction passes first: is it new, are we closing, and who waits for whom."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any

import discord

from bot.integrations.discord_client.errors import guarded
from bot.integrations.discord_client.reply import Reply
from bot.render.discord import notice

log = logging.getLogger(__name__)

REMEMBERED = 4_096  # interactions; a repeated dispatch comes within seconds of the first
SHUTDOWN_S = 10.0  # for the answers in flight; supervisors kill after 10 to 30 s
AWAY = "**I am being restarted.** Please ask again in a minute."


class Intake:
    """One for a client; ``counts`` says how often each fate of an answer was met."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.counts: Counter[str] = Counter()
        self.closing = False
        self._remembered = remembered
        self._ids: OrderedDict[int, None] = OrderedDict()
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self, interaction: discord.Interaction[Any]) -> bool:
        """Whether this interaction is new; a repeated dispatch is passed over in silence."""
        if interaction.id in self._ids:
            self.counts["dispatched again"] += 1
            return False
        self._ids[interaction.id] = None
        if len(self._ids) > self._remembered:
            self._ids.popitem(last=False)
        return True

    async def turned_away(self, reply: Reply) -> bool:
        """During a shutdown nothing new is begun, and the person is told so."""
        if self.closing:
            await guarded(reply, reply.answer(notice(AWAY), private=True))
        return self.closing

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Around one answer: a shutdown waits for it."""
        self._working += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            if self._working == 0:
                self._idle.set()

    async def finish(self) -> None:
        """Begin nothing more and wait for what is in flight, up to ``SHUTDOWN_S``."""
        self.closing = True
        try:
            async with asyncio.timeout(SHUTDOWN_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("shutting down with %d answers unfinished", self._working)
