"""What Discord is told of the home servers' commands and of their entries in a message's menu."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import app_commands

from bot.command import MAX_CHOICES
from bot.guild_command import GuildCommand, GuildOption, Subcommand
from bot.integrations.discord_client.choices import choices_of, shortened


class Postable(app_commands.Transformer):
    """A channel that announcements can go to. The library's own kinds of channel would list media
    channels too, which Discord's API file does not know.
    """

    @property
    def type(self) -> discord.AppCommandOptionType:
        """A channel."""
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        """What its picker lists."""
        return [discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.forum]

    async def transform(self, interaction: discord.Interaction[Any], value: Any, /) -> Any:
        """Never asked: the tree reads options itself."""
        raise AssertionError(f"{interaction.id}: {value} was read by the tree")


TYPES: Mapping[str, Any] = {
    "text": str,
    "integer": int,
    "boolean": bool,
    "channel": app_commands.Transform[discord.abc.GuildChannel, Postable],
    "role": discord.Role,
    "attachment": discord.Attachment,
}
# Discord hides by a permission, never by a role of ours. Maintainers without Manage Server are
# allowed /announce by hand, once (docs/moderating.md): else it would be listed for every member.
HIDDEN_WITHOUT = discord.Permissions(manage_guild=True)

Declared = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu


def declare(command: GuildCommand) -> Declared:
    """``command`` with its subcommands or options."""
    if not command.subs:
        made = _made(command)
        made.default_permissions, made.guild_only = HIDDEN_WITHOUT, True
        return made
    group = app_commands.Group(
        name=command.name,
        description=shortened(command.description),
        default_permissions=HIDDEN_WITHOUT,
        guild_only=True,
        auto_locale_strings=False,
    )
    for sub in command.subs:
        group.add_command(_made(sub))
    return group


def _made(part: GuildCommand | Subcommand) -> app_commands.Command[Any, ..., Any]:
    return app_commands.Command(
        name=part.name,
        description=shortened(part.description),
        callback=_signed(part.options),
        auto_locale_strings=False,
    )


def declare_menu(name: str) -> Declared:
    """An entry in the menu of every message."""

    async def answered_by_the_tree(
        interaction: discord.Interaction[Any], message: discord.Message
    ) -> None:
        raise AssertionError(f"{interaction.id} on {message.id} was answered by the tree")

    # The library reads the kind of menu from the annotation itself, not from its name.
    answered_by_the_tree.__annotations__["message"] = discord.Message
    return app_commands.ContextMenu(
        name=name, callback=answered_by_the_tree, auto_locale_strings=False
    )


def completes(option: GuildOption) -> bool:
    """Whether its values are suggested: more choices than Discord lists are, too."""
    return option.suggest is not None or len(option.choices) > MAX_CHOICES


def _signed(options: Sequence[GuildOption]) -> Any:
    """A coroutine whose signature the library reads the options from; it is never called."""

    async def answered_by_the_tree(interaction: discord.Interaction[Any], **_: Any) -> None:
        raise AssertionError(f"{interaction.id} was answered by the tree")

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    ordered = sorted(options, key=lambda option: not option.required)  # Discord asks for that
    first = inspect.Parameter("interaction", kind, annotation=discord.Interaction)
    signature = inspect.Signature([first, *(_parameter(option) for option in ordered)])
    answered_by_the_tree.__signature__ = signature  # type: ignore[attr-defined]
    declared: Any = app_commands.describe(
        **{option.name: shortened(option.description) for option in options}
    )(answered_by_the_tree)
    fixed = {o.name: choices_of(o.choices) for o in options if o.choices and not completes(o)}
    declared = app_commands.choices(**fixed)(declared)
    return app_commands.autocomplete(**{o.name: _none for o in options if completes(o)})(declared)


def _parameter(option: GuildOption) -> inspect.Parameter:
    kind = TYPES[option.kind]
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=inspect.Parameter.empty if option.required else None,
        annotation=kind if option.required else kind | None,
    )


async def _none(_: discord.Interaction[Any], __: str) -> list[app_commands.Choice[str]]:
    return []
