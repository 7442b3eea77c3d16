"""An answer that was posted to Discussions says so: the link stands where the button was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import discord

from bot.command import Command, answer
from bot.discussing import Done
from bot.integrations.discord_client.answers import Answers
from bot.integrations.discord_client.discussions.offer import with_offer
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.place import edit_in_channel
from bot.render.discord import Message, Shown, render
from bot.results import Posted, StoredResult
from bot.runner import restore
from bot.view import Chart
from compute.ending import end

log = logging.getLogger(__name__)


class Behind:
    """What goes on after an interaction was answered."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with ``work``; of its failure only the log is told."""
        task = asyncio.create_task(_logged(work), name="discuss")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let go of all of it."""
        await end(*self._tasks)


class PostedLinks:
    """One for a client."""

    def __init__(
        self, parts: DiscordParts, answers: Answers, client: discord.Client, behind: Behind
    ) -> None:
        self._parts = parts
        self._answers = answers
        self._client = client
        self._behind = behind

    async def resume(self) -> None:
        """From now on posted answers say so; those posted while nobody looked say so now."""
        discussing = self._parts.discussing
        if discussing is None:
            return
        discussing.listen(self._heard)
        for done in await discussing.untold():
            self._heard(done)

    def _heard(self, done: Done) -> None:
        if done.kind == "result" and done.asked.state == "posted":
            self._behind.do(self._tell(done.about, done.asked.url))

    async def _tell(self, result_id: str, url: str) -> None:
        """The answer that was posted has the link in place of the button, where it can be."""
        standing = self._answers.standings.of(result_id)
        begun = standing.changes
        row = await self._parts.results.get(result_id)
        command = self._parts.commands.get(row.tool) if row is not None else None
        if row is not None and command is not None and not row.private and row.message_id:
            place = await self._parts.results.message_of(result_id)
            messages = await self._with_link(command, row, url)
            async with standing.lock:
                if place is not None and standing.changes == begun:
                    standing.changes += await self._changed(place, messages)
        if self._parts.discussing is not None:
            await self._parts.discussing.told(result_id)

    async def _changed(self, place: Posted, messages: list[Message]) -> bool:
        """Whether the first of ``messages`` that is taken there stands there now."""
        for message in messages:
            if await edit_in_channel(self._client, place, message):
                return True
        return False

    async def _with_link(self, command: Command, row: StoredResult, url: str) -> list[Message]:
        """The answer with its picture; without it, where none may be attached."""
        outcome = restore(command.tool, row)
        view = with_offer(self._parts, command, answer(command, outcome), row.guild_id, url)
        jobs = self._parts.jobs
        job = await jobs.progress(row.id) if jobs is not None else None
        shown = Shown(
            row.id, self._parts.base_url, public=True, mention=int(row.user_id) if job else None
        )
        bare = render(view.without(Chart), shown)
        chart = next(iter(view.charts()), None)
        full = await self._answers.with_chart(view, chart, shown) if chart is not None else None
        return [*([full] if full is not None else []), bare]


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("what came of a post could not be shown")
