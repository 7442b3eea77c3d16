"""Slash commands: how Discord is told of them, and what happens when one is typed."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from pydantic import JsonValue

from bot.command import MAX_CHOICES, Choice, Command, Option, suggestions
from bot.integrations.discord_client.answers import Answers, Ask
from bot.integrations.discord_client.choices import choices_of, shortened
from bot.integrations.discord_client.errors import explain, guarded
from bot.integrations.discord_client.home.commands import GuildCommands
from bot.integrations.discord_client.intake import Intake
from bot.integrations.discord_client.reply import BROKEN, Reply, Stage

log = logging.getLogger(__name__)

TYPES: Mapping[str, type] = {"text": str, "integer": int, "number": float, "boolean": bool}
EVERYWHERE = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
STAGES = {
    None: Stage.NOTHING,
    discord.InteractionResponseType.deferred_channel_message: Stage.THINKING,
}
SERVERS = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)


class Tree(app_commands.CommandTree[discord.Client]):
    """The tools' commands are answered here, from what was sent; any other goes the library's way.

    Read raw, a value that no honest client sends (a word for a number, an option we do not have)
    meets our own validation and gets its sentence, where the library would raise in a task.
    """

    def __init__(
        self,
        client: discord.Client,
        intake: Intake,
        commands: Mapping[str, Command],
        answers: Answers,
        guild: GuildCommands,
    ) -> None:
        super().__init__(client)
        self._guild = guild
        self._intake = intake
        self._tools = {name: command for name, command in commands.items() if command.slash}
        self._answers = answers
        for command in self._tools.values():
            self.add_command(declare(command))
        for home in guild.homes:
            for declared in guild.declared():
                self.add_command(declared, guild=home)

    async def interaction_check(self, interaction: discord.Interaction[discord.Client], /) -> bool:
        """False where there is nothing left for the library to do."""
        if not self._intake.begin(interaction):
            return False
        data: Any = interaction.data or {}
        chat = data.get("type", 1) == discord.AppCommandType.chat_input.value
        command = self._tools.get(data.get("name", "")) if chat else None
        if command is None and not self._guild.knows(data):
            return True
        with self._intake.working():
            if interaction.type is discord.InteractionType.autocomplete:
                found = self._choices(interaction, command)
                await _send_choices(interaction, found, self._intake.counts)
                return False
            reply = Reply(interaction, self._intake.counts)
            if not await self._intake.turned_away(reply):
                await guarded(reply, self._answer(reply, command))
        return False

    def _choices(
        self, interaction: discord.Interaction[Any], command: Command | None
    ) -> Sequence[Choice]:
        if command is None:
            return self._guild.suggested(interaction)
        data: Any = interaction.data
        return _suggested(command, data)

    async def _answer(self, reply: Reply, command: Command | None) -> None:
        if command is None:
            await self._guild.give(reply)
        else:
            data: Any = reply.interaction.data
            await self._answers.give(reply, Ask(command, typed(data)))

    async def on_error(
        self,
        interaction: discord.Interaction[discord.Client],
        error: app_commands.AppCommandError,
        /,
    ) -> None:
        """One sentence for whatever the library could not run."""
        if interaction.type is discord.InteractionType.autocomplete:
            await _send_choices(interaction, (), self._intake.counts)
        else:
            reply = Reply(interaction, self._intake.counts)
            reply.stage = STAGES.get(interaction.response.type, Stage.ANSWERED)
            await explain(reply, error)


def typed(data: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Options by name as they were sent."""
    options = data.get("options")
    named = [o for o in options if isinstance(o, dict)] if isinstance(options, list) else []
    return {str(option.get("name", "")): option.get("value") for option in named}


def declare(command: Command) -> app_commands.Command[Any, ..., None]:
    """What Discord shows of ``command``: options with types, choices and suggestions."""
    return app_commands.Command(
        name=command.name,
        description=shortened(command.description),
        callback=_signed(command.options),
        allowed_contexts=EVERYWHERE if command.user_installable else SERVERS,
        allowed_installs=app_commands.AppInstallationType(
            guild=True, user=command.user_installable
        ),
        auto_locale_strings=False,
    )


def _signed(options: Sequence[Option]) -> Any:
    """A coroutine whose signature the library reads the options from; the tree never calls it."""

    async def answered_by_the_tree(interaction: discord.Interaction[Any], **_: Any) -> None:
        raise AssertionError(f"{interaction.id} was answered by Tree.interaction_check")

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    ordered = sorted(options, key=lambda option: not option.required)  # Discord asks for that
    first = inspect.Parameter("interaction", kind, annotation=discord.Interaction)
    signature = inspect.Signature([first, *(_parameter(option) for option in ordered)])
    answered_by_the_tree.__signature__ = signature  # type: ignore[attr-defined]
    declared: Any = app_commands.describe(
        **{option.name: shortened(option.description) for option in options}
    )(answered_by_the_tree)
    fixed = {o.name: choices_of(o.choices) for o in options if o.choices and not _completes(o)}
    declared = app_commands.choices(**fixed)(declared)
    # What is suggested is asked of the tree as well; this only tells Discord to ask.
    return app_commands.autocomplete(**{o.name: _none for o in options if _completes(o)})(declared)


def _parameter(option: Option) -> inspect.Parameter:
    kind: Any = TYPES[option.kind]
    default = inspect.Parameter.empty if option.required else None
    annotation = kind if option.required else kind | None
    return inspect.Parameter(
        option.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )


def _completes(option: Option) -> bool:
    """More choices than Discord lists become suggestions."""
    return option.suggest is not None or len(option.choices) > MAX_CHOICES


async def _none(_: discord.Interaction[Any], __: str) -> list[app_commands.Choice[str]]:
    return []


def _suggested(command: Command, data: Mapping[str, Any]) -> Sequence[Choice]:
    """What goes with a half-typed option, from memory; of a failure nobody but the log is told."""
    try:
        focused: Any = next((o for o in data.get("options", []) if o.get("focused")), {})
        option = command.option(str(focused.get("name", "")))
        if option is not None:
            return suggestions(option, str(focused.get("value") or ""))
    except Exception:
        log.exception("no suggestions for /%s", command.name)
    return ()


async def _send_choices(
    interaction: discord.Interaction[Any], pairs: Sequence[Choice], counts: Counter[str]
) -> None:
    """Too late, already answered or broken off: the person types on and asks anew."""
    try:
        await interaction.response.autocomplete(choices_of(pairs))
    except (*BROKEN, discord.HTTPException) as error:
        counts["suggestions lost"] += 1
        log.info("suggestions not delivered: %s", error)
