"""Compare with...: the asker's other runs of the same as a menu, and two of them side by side.

``compare`` opens the menu, ``versus`` is one of its entries; its argument is the other run's id.
Only runs of who pressed are offered: another person's private answer is known by its link alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.render.discord import notice, render
from bot.runner import restore
from bot.view import Bold, Button, Heading, Menu, Note, View
from compute.inputs import shown

if TYPE_CHECKING:
    from bot.integrations.discord_client.answers import Answers
    from bot.integrations.discord_client.buttons import Press
    from bot.integrations.discord_client.parts import DiscordParts
    from bot.results import StoredResult

MOST = 25  # entries of a menu
NONE = "**You have no other run to compare this with.** Run it once more, or on another GPU."
GONE = "**One of the two runs is no longer kept.**"
ASKED = "What to compare with"


class Comparing:
    """Both presses; ``buttons`` takes them in as ``compare`` and ``versus``."""

    def __init__(self, parts: DiscordParts, answers: Answers) -> None:
        self._parts = parts
        self._answers = answers

    async def offer(self, press: Press) -> None:
        """The runs of who pressed that this one can be held against, newest first."""
        user = str(press.interaction.user.id)
        alike = press.command.alike
        rows = await self._parts.results.of_user(user, press.row.tool, MOST + 1)
        others = [row for row in rows if row.id != press.row.id and row.result is not None]
        if alike is not None and press.row.result is not None:
            own = alike(press.row.result)
            others = [row for row in others if row.result is not None and alike(row.result) == own]
        if not others:
            await press.reply.answer(notice(NONE, "notice"), private=True)
            return
        entries = tuple(Button(_label(row), "versus", row.id) for row in others[:MOST])
        view = View((Heading((Bold(ASKED),)), Menu("Your runs", entries)), tone="notice")
        seen = self._answers.shown(press.row.id, public=True)
        await press.reply.answer(render(view, seen), private=True)

    async def show(self, press: Press) -> None:
        """This run against the chosen one, which is the earlier of the two in the comparison."""
        chosen = await self._answers.row(press.argument)
        versus = press.command.versus
        user = str(press.interaction.user.id)
        if chosen is None or versus is None or chosen.user_id != user:
            await press.reply.answer(notice(GONE), private=True)
            return
        earlier, later = sorted((chosen, press.row), key=lambda row: row.created_at)
        before, after = (restore(press.command.tool, row).result for row in (earlier, later))
        if before is None or after is None or earlier.tool != later.tool:
            await press.reply.answer(notice(GONE), private=True)
            return
        view = versus(before, after).plus(Note((f"{_label(earlier)}, then {_label(later)}",)))
        seen = self._answers.shown(press.row.id, public=True)
        await press.reply.answer(render(view, seen), private=True)


def _label(row: StoredResult) -> str:
    """``11-23 17:42 UTC op:rms_norm dtype:bf16``: when it was asked, and what for."""
    when = datetime.fromtimestamp(row.created_at, UTC).strftime("%m-%d %H:%M UTC")
    asked = " ".join(f"{name}:{value}" for name, value in row.inputs.items())
    return f"{when} {shown(asked)}"
