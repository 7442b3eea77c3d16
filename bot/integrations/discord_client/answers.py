"""From inputs to an answer in Discord: ask the limits, run, show all text at once, then the chart.

Everything that shows an answer goes through here: slash commands, forms, repairs, Share.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import discord
from pydantic import JsonValue

from bot.command import Command, answer
from bot.integrations.discord_client.discussions.offer import with_offer
from bot.integrations.discord_client.following import Followed, Following
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.place import (
    asker_of,
    edit_in_channel,
    may_attach,
    post_in_channel,
    private_place,
)
from bot.integrations.discord_client.reply import Fate, Reply, Stage
from bot.integrations.discord_client.standing import Standings
from bot.render.chart import ChartBusy, ChartFailed
from bot.render.discord import Message, Shown, notice, render
from bot.results import StoredResult
from bot.runner import Outcome
from bot.view import Chart, View

log = logging.getLogger(__name__)

# The interaction is no way to the person any more; the bot's own right may be. Not LOST: there
# the answer may stand already, and a second one would double it.
TOO_LATE = (Fate.LATE, Fate.DEAD)
HOME_ONLY = "**/{name} works only in the community's own server.**"
SAVING_S = 1.5  # a press is to be answered within 3 s, also where the disk is slow


@dataclass(frozen=True, slots=True)
class Ask:
    """One wish to run a command. ``in_place``: a refusal may replace the refusal it repairs;
    ``turns``: the answer takes the place of the one under which it was asked for.
    """

    command: Command
    inputs: Mapping[str, JsonValue]
    in_place: bool = False
    turns: bool = False


@dataclass(frozen=True, slots=True)
class Showing:
    """One answer to be shown; ``outcome`` while its row is still on the way to the disk."""

    view: View
    shown: Shown
    private: bool
    in_place: bool = False
    outcome: Outcome | None = None


class Answers:
    """One for the process."""

    def __init__(self, parts: DiscordParts, following: Following) -> None:
        self._parts = parts
        self._following = following
        self._saving: dict[str, asyncio.Future[None]] = {}
        self.standings = Standings()

    async def give(self, reply: Reply, ask: Ask) -> None:
        """Run and answer. Refusals are for the asker alone, as is all in places not ours."""
        if await self._not_here(reply, ask) or await self.too_often(reply):
            return
        tool = ask.command.tool
        private = private_place(reply.interaction, self._parts.house) or ask.command.private
        if self._parts.runner.waits(tool, ask.inputs):
            fate = await reply.think(private=private)
            if fate is Fate.TAKEN or (fate is Fate.LATE and private):
                return
        asker = asker_of(reply.interaction, private=private)
        outcome = await self._parts.runner.run(tool, ask.inputs, asker)
        hidden = private or outcome.refusal is not None
        showing = Showing(
            view=self.offering(ask.command, answer(ask.command, outcome), reply.interaction),
            shown=self.shown(outcome.id, public=not private),
            private=hidden,
            in_place=_in_place(ask, outcome, hidden) and reply.stage is Stage.NOTHING,
            outcome=outcome,
        )
        if not outcome.unfinished:
            await self.show(reply, showing)
            return
        with self._following.being_shown(outcome.id):
            await self.show(reply, showing)
        stands = showing.view if reply.posted is not None else None
        self._following.follow(
            Followed(ask.command, outcome, reply.posted, reply.interaction, last=stands)
        )

    async def _not_here(self, reply: Reply, ask: Ask) -> bool:
        """Away from the home servers only what works anywhere is run, whatever was sent."""
        command = ask.command
        if reply.interaction.guild_id in self._parts.settings.home_guild_ids:
            return False
        if command.user_installable and not self._parts.runner.queues(command.tool, ask.inputs):
            return False
        await reply.answer(notice(HOME_ONLY.format(name=command.name)), private=True)
        return True

    async def too_often(self, reply: Reply) -> bool:
        """Count this answer against its asker and server; tell them when it is too many."""
        wait_s = self._wait_s(reply.interaction)
        if wait_s <= 0:
            return False
        when = math.ceil(time.time() + wait_s)
        text = f"**That is more answers than I give in a minute.** Ask me again <t:{when}:R>."
        await reply.answer(notice(text), private=True)
        return True

    async def row(self, result_id: str) -> StoredResult | None:
        """The kept answer; a button may be pressed before the answer's row is on disk."""
        saving = self._saving.get(result_id)
        if saving is not None:
            await asyncio.wait({saving}, timeout=SAVING_S)
        return await self._parts.results.get(result_id)

    def offering(
        self, command: Command, view: View, interaction: discord.Interaction[Any], url: str = ""
    ) -> View:
        """The answer with the button that posts it, or the link to where that was done."""
        return with_offer(self._parts, command, view, str(interaction.guild_id or ""), url)

    def shown(self, result_id: str, *, public: bool) -> Shown:
        """How an answer looks here, before anything is known of its chart."""
        return Shown(result_id=result_id, base_url=self._parts.base_url, public=public)

    async def show(self, reply: Reply, showing: Showing) -> None:
        """All the text now, the chart by one edit."""
        outcome = showing.outcome
        if outcome is not None and outcome.saved is not None:
            self._saving[outcome.id] = outcome.saved
        try:
            await self._show_text_then_chart(reply, showing)
        finally:
            self._saving.pop(showing.shown.result_id, None)

    async def _show_text_then_chart(self, reply: Reply, showing: Showing) -> None:
        view, shown = showing.view, showing.shown
        standing = self.standings.of(shown.result_id)
        begun = standing.changes
        chart = next(iter(view.charts()), None) if may_attach(reply.interaction) else None
        # Without the picture even where it is drawn already: its upload made the slowest first
        # answers a third slower (p99 against the smallest bot 3.1 with it, 2.4 without).
        message = render(view, shown)
        fate = await (
            reply.update(message)
            if showing.in_place
            else reply.answer(message, private=showing.private)
        )
        if fate in TOO_LATE and not showing.private:
            shown = replace(shown, mention=reply.interaction.user.id)
            reply.posted = await post_in_channel(reply.interaction, render(view, shown))
        await self._keep(reply, showing)
        if fate is not Fate.DONE and reply.posted is None:
            return
        if chart is None or shown.png is not None:
            return
        later = await self.with_chart(view, chart, shown)
        if later is None:
            return
        async with standing.lock:
            if standing.changes != begun:
                return
            fate = await reply.edit(later) if fate is Fate.DONE else fate
            if fate in TOO_LATE and not showing.private and reply.posted is not None:
                await edit_in_channel(reply.interaction.client, reply.posted, later)

    async def with_chart(self, view: View, chart: Chart, shown: Shown) -> Message | None:
        """The message with its chart, or a Chart button while too many wait; None: no chart."""
        try:
            shown = replace(shown, png=await self._parts.charts.png(chart), chart_button=False)
        except ChartBusy:
            shown = replace(shown, chart_button=True)
        except ChartFailed as error:
            log.warning("the chart of %s: %s", shown.result_id[:6], error)
            return None
        return render(view, shown)

    async def _keep(self, reply: Reply, showing: Showing) -> None:
        """Wait for the row, then note its message. The answer is out: a failure is only logged."""
        try:
            if showing.outcome is not None and showing.outcome.saved is not None:
                await showing.outcome.saved
            await reply.find_message()
            if reply.posted is not None and reply.posted.channel_id:
                await self._parts.results.attach_message(
                    showing.shown.result_id, reply.posted.channel_id, reply.posted.message_id
                )
        except Exception:
            log.exception("ref %s: the answer could not be kept", showing.shown.result_id[:6])

    def _wait_s(self, interaction: discord.Interaction[Any]) -> float:
        settings = self._parts.settings
        wait_s = self._parts.limiter.wait_s(
            f"discord:user:{interaction.user.id}", settings.user_per_minute
        )
        guild = interaction.guild_id
        if wait_s > 0 or guild is None or guild in settings.home_guild_ids:
            return wait_s
        return self._parts.limiter.wait_s(f"discord:guild:{guild}", settings.foreign_per_minute)


def _in_place(ask: Ask, outcome: Outcome, hidden: bool) -> bool:
    """Whether the answer may stand where the one before it stands; a refusal hides no answer."""
    return (ask.in_place and hidden) or (ask.turns and outcome.refusal is None)
