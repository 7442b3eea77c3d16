"""What the buttons and forms under an answer do. All they know is in their ids and the database,
so they work for as long as the answer is kept, through any restart.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

import discord

from bot.command import Command, answer, fixes_of, repaired
from bot.integrations.discord_client.answers import Answers, Ask, Showing
from bot.integrations.discord_client.comparing import Comparing
from bot.integrations.discord_client.discussions.doors import FORM, Discuss
from bot.integrations.discord_client.following import Followed, Following, view_of
from bot.integrations.discord_client.modal import build_form, read_form
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.place import (
    asker_of,
    edit_in_channel,
    is_moderator,
    may_attach,
    private_place,
)
from bot.integrations.discord_client.reply import Fate, Reply
from bot.integrations.discord_client.standing import Standing
from bot.jobs.words import Cancelled
from bot.render.discord import Shown, notice, render
from bot.render.discord_rows import pressed_id
from bot.results import Deleter, StoredResult
from bot.runner import Outcome, restore
from bot.view import Button, View

CUSTOM_ID = re.compile(r"k2c:([a-z]{1,20}):([A-Za-z0-9_-]{22})(?::(\d{1,3}|[A-Za-z0-9_-]{22}))?")

UNKNOWN = "**I don't know this button any more.** Run the command again to get a new one."
EXPIRED = (
    "**This answer is no longer kept.** Run the command again: the inputs are easy to see above."
)
NO_CHART = "**I may not attach pictures here.** The page of the answer has its chart."
NOT_DRAWN = "**The chart could not be drawn.** Its numbers are all in the text."
DELETED = "**This answer was deleted** by <@{user}>."
DELETED_FOR_YOU = "**Deleted.** The answer, its page and its inputs are gone."
STILL_SHOWN = (
    "**Deleted.** The answer's page and its inputs are gone. I cannot change its message here: "
    "please delete that yourself."
)
STAYS = "\nIts Discussion stays; who may, deletes it on GitHub: <{url}>"

CANCEL_S = 1.5  # of the 3 s in which a press is to be answered
CANCEL: Mapping[Cancelled, str] = {
    "cancelled": "**Cancelled.** It had not begun.",
    "cancelling": "**Cancelling.** Its worker is ending it.",
    "ended": "**That run is over already.**",
    "not yours": "**Only who asked for this run, or a moderator, may cancel it.**",
    "unknown": "**I no longer know that run.**",
}


@dataclass(frozen=True, slots=True)
class Press:
    """A press on a button, or a sent form, under the answer ``row``."""

    reply: Reply
    command: Command
    row: StoredResult
    argument: str
    standing: Standing
    begun: int  # how often its message had changed when it was pressed

    @property
    def interaction(self) -> discord.Interaction[Any]:
        """The interaction itself."""
        return self.reply.interaction

    @property
    def on_private(self) -> bool:
        """Whether the message under which it was pressed is for one person alone."""
        message = self.interaction.message
        return message is not None and message.flags.ephemeral

    @property
    def by_asker(self) -> bool:
        """Whether the answer is for the one who pressed."""
        return self.row.user_id == str(self.interaction.user.id)

    def outcome(self) -> Outcome:
        """The answer as it was kept."""
        return restore(self.command.tool, self.row)


Action = Callable[[Press], Awaitable[None]]


class Buttons:
    """One for the process."""

    def __init__(
        self, parts: DiscordParts, answers: Answers, following: Following, discuss: Discuss
    ) -> None:
        self._parts = parts
        self._answers = answers
        self._discuss = discuss
        self._following = following
        comparing = Comparing(parts, answers)
        self._actions: dict[str, Action] = {
            "change": self._change,
            "form": self._form,
            "details": self._details,
            "share": self._share,
            "chart": self._chart,
            "fix": self._fix,
            "delete": self._delete,
            "cancel": self._cancel,
            "compare": comparing.offer,
            "versus": comparing.show,
            "discuss": lambda press: discuss.open(press.reply, press.row),
            FORM: lambda press: discuss.sent(press.reply, press.row),
        }

    async def press(self, reply: Reply) -> None:
        """Do what the pressed button or the sent form asks for."""
        data: Any = reply.interaction.data or {}
        match = CUSTOM_ID.fullmatch(pressed_id(data))
        loose = self._discuss.loose.get(match[1]) if match else None
        if match is not None and loose is not None:
            await loose(reply, match[2])
            return
        action = self._actions.get(match[1]) if match else None
        if match is None or action is None:
            await reply.answer(notice(UNKNOWN), private=True)
            return
        standing = self._answers.standings.of(match[2])
        begun = standing.changes
        row = await self._answers.row(match[2])
        command = self._parts.commands.get(row.tool) if row else None
        if row is None or command is None:
            await reply.answer(notice(EXPIRED), private=True)
            return
        await action(Press(reply, command, row, match[3] or "", standing, begun))

    async def _change(self, press: Press) -> None:
        await press.reply.form(build_form(press.command, press.row.id, press.row.inputs))

    async def _form(self, press: Press) -> None:
        """Another person's form makes an answer of their own, like their own slash command."""
        data: Any = press.interaction.data
        filled = read_form(press.command, press.row.inputs, data)
        in_place = self._replaces(press)
        if filled.refusal is None:
            await self._answers.give(press.reply, Ask(press.command, filled.inputs, in_place))
        elif not await self._answers.too_often(press.reply):
            private = private_place(press.interaction, self._parts.house)
            asker = asker_of(press.interaction, private=private)
            tool, runner = press.command.tool, self._parts.runner
            outcome = runner.refuse(tool, filled.inputs, filled.refusal, asker)
            showing = Showing(
                view=answer(press.command, outcome),
                shown=self._answers.shown(outcome.id, public=False),
                private=True,
                in_place=in_place,
                outcome=outcome,
            )
            await self._answers.show(press.reply, showing)

    async def _fix(self, press: Press) -> None:
        outcome = press.outcome()
        try:
            place = int(press.argument or -1)
            inputs = repaired(outcome, place)
        except (LookupError, ValueError):
            await press.reply.answer(notice(UNKNOWN), private=True)
            return
        # Another person who turns the page gets an answer of their own.
        turns = fixes_of(outcome)[place].in_place and press.by_asker
        ask = Ask(press.command, inputs, self._replaces(press), turns)
        await self._answers.give(press.reply, ask)

    def _replaces(self, press: Press) -> bool:
        """A refusal that only its asker sees makes room for the next; an answer stays."""
        return press.on_private and press.row.refusal is not None

    async def _details(self, press: Press) -> None:
        outcome = press.outcome()
        if press.command.details is None or outcome.result is None:
            await press.reply.answer(notice(UNKNOWN), private=True)
            return
        view: View = press.command.details(outcome.request, outcome.result)
        if self._may_delete(press):
            view = view.plus(Button("Delete this answer", "delete", style="danger"))
        shown = self._answers.shown(press.row.id, public=True)
        await press.reply.answer(render(view, shown), private=True)

    async def _share(self, press: Press) -> None:
        """The private answer once more, for everyone here, naming who showed it."""
        if await self._answers.too_often(press.reply):
            return
        view = await self._whole(press)
        showing = Showing(view, self._seen(press, public=True), private=False)
        await self._answers.show(press.reply, showing)

    async def _chart(self, press: Press) -> None:
        view = await self._whole(press)
        if not view.charts() or not may_attach(press.interaction):
            await press.reply.answer(notice(NO_CHART), private=True)
            return
        if await press.reply.hold() is not Fate.DONE:
            return
        shown = self._seen(press, public=not press.on_private)
        message = await self._answers.with_chart(view, view.charts()[0], shown)
        if message is None:
            await press.reply.whisper(notice(NOT_DRAWN))
            return
        async with press.standing.lock:
            if press.standing.changes == press.begun:
                await press.reply.edit(message)

    async def _whole(self, press: Press) -> View:
        """The kept answer with all its buttons."""
        url = await self._discuss.url_of(press.row.id)
        view = answer(press.command, press.outcome())
        return self._answers.offering(press.command, view, press.interaction, url)

    def _seen(self, press: Press, *, public: bool) -> Shown:
        shown = self._answers.shown(press.row.id, public=public)
        shared = public and press.row.private
        return replace(shown, shared_by=int(press.row.user_id)) if shared else shown

    async def _delete(self, press: Press) -> None:
        posted = await self._parts.results.message_of(press.row.id)
        url = await self._discuss.url_of(press.row.id)
        stays = STAYS.format(url=url) if url else ""
        user = press.interaction.user.id
        by = Deleter(
            user_id=str(user), moderator=is_moderator(press.interaction, press.row.guild_id)
        )
        if not await self._parts.results.delete(press.row.id, by=by):
            text = "**Only who asked for this answer, or a moderator, may delete it.**"
            await press.reply.answer(notice(text), private=True)
            return
        press.standing.changes += 1
        # First the press is answered: the message may take longer than the 3 s.
        await press.reply.update(notice(DELETED_FOR_YOU + stays, "notice"))
        if self._parts.jobs is not None:
            await self._parts.jobs.forget(press.row.id)
        client = press.interaction.client
        gone = notice(DELETED.format(user=user), "notice")
        async with press.standing.lock:
            done = posted is not None and await edit_in_channel(client, posted, gone)
        if not done:
            await press.reply.edit(notice(STILL_SHOWN + stays, "notice"))

    async def _cancel(self, press: Press) -> None:
        """End the run under whose progress this was pressed, or the one that a list names."""
        jobs, result_id = self._parts.jobs, press.argument or press.row.id
        target = await self._parts.results.get(result_id) if press.argument else press.row
        if jobs is None or target is None:
            await press.reply.answer(notice(CANCEL["unknown"]), private=True)
            return
        # Whose server counts is where the run was asked for, not where its list is shown.
        moderator = is_moderator(press.interaction, target.guild_id)
        by = Deleter(user_id=str(press.interaction.user.id), moderator=moderator)
        fate = await _in_time(jobs.cancel(result_id, by))
        if fate == "cancelling":
            self._following.cancelling(result_id)
        progress = await jobs.progress(result_id)
        if progress is None or press.argument or fate not in ("cancelled", "cancelling"):
            await press.reply.answer(notice(CANCEL[fate]), private=True)
            return
        if fate == "cancelled":
            progress = replace(progress, state="cancelled")
        followed = Followed(press.command, press.outcome(), None, cancelling=True)
        shown = self._following.shown(result_id)
        message = render(view_of(followed, progress), shown)
        async with self._following.still(result_id, progress) as shows:
            if shows:
                await press.reply.update(message)
        if not shows:
            now = await jobs.progress(result_id)
            said = CANCEL["ended" if now is None or now.ended else fate]
            await press.reply.answer(notice(said), private=True)

    def _may_delete(self, press: Press) -> bool:
        return str(press.interaction.user.id) == press.row.user_id or is_moderator(
            press.interaction, press.row.guild_id
        )


async def _in_time(cancel: Coroutine[Any, Any, Cancelled]) -> Cancelled:
    """What came of it; where that takes too long for a press, it goes on by itself."""
    task = asyncio.ensure_future(cancel)
    done, _ = await asyncio.wait({task}, timeout=CANCEL_S)
    return task.result() if done else "cancelling"
