"""Commands of the home servers: who may use them there, and what comes of it.

Discord hides them from who may not, by permissions alone; what arrives is checked again here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Any

import discord

from bot.command import ACTIONS, Choice
from bot.guild_command import Caller, GuildCommand, GuildHouse, GuildOption, Press, Said
from bot.integrations.discord_client.home.declare import Declared, declare, declare_menu
from bot.integrations.discord_client.home.forms import (
    message_of,
    modal_of,
    pressed,
    refusal_view,
)
from bot.integrations.discord_client.home.options import read_options, typed_part
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.place import asker_of
from bot.integrations.discord_client.reply import Reply, Stage
from bot.view import View
from compute.tool import Refusal, Refused

log = logging.getLogger(__name__)

PROMPT_S = 1.5  # of the 3 s in which an interaction is to be answered
MESSAGE_MENU = discord.AppCommandType.message.value

ELSEWHERE = "This works only in the community's own server."
NOT_MODERATOR = "Only moderators may use /{name}: it takes the permission Manage Server."
NOT_MAINTAINER = (
    "Only maintainers may use /{name}. A moderator makes your role one with "
    "/config role purpose:maintainer."
)
TOO_SLOW = "That took too long for a form to open. Please try again."


class GuildCommands:
    """One for a client. Without a house there are none."""

    def __init__(self, parts: DiscordParts) -> None:
        self._parts = parts
        self._house = parts.house
        self._commands = dict(parts.guild_commands) if parts.house is not None else {}
        self._presses: dict[str, tuple[GuildCommand, Press]] = {}
        for command in self._commands.values():
            for action, press in command.presses.items():
                if action in self._presses or action in ACTIONS:
                    raise ValueError(f"two buttons have the action {action!r}")
                self._presses[action] = (command, press)

    @property
    def homes(self) -> list[discord.Object]:
        """The servers whose own commands these are."""
        return [discord.Object(guild_id) for guild_id in self._parts.settings.home_guild_ids]

    def declared(self) -> list[Declared]:
        """What a home server's Discord is told of."""
        menus = [declare_menu(name) for name in self._parts.menus]
        return [declare(command) for command in self._commands.values()] + menus

    def knows(self, data: Any) -> bool:
        """Whether a command's interaction is one of these."""
        known = self._parts.menus if data.get("type", 1) == MESSAGE_MENU else self._commands
        return data.get("name") in known

    def knows_press(self, reply: Reply) -> bool:
        """Whether the pressed button or the sent form is of one of these."""
        data: Any = reply.interaction.data or {}
        press = pressed(data)
        return press is not None and press.action in self._presses

    def suggested(self, interaction: discord.Interaction[Any]) -> Sequence[Choice]:
        """What goes with a half-typed option, from memory, for who may use the command."""
        data: Any = interaction.data or {}
        command = self._commands.get(str(data.get("name")))
        if command is None or self._house is None:
            return ()
        try:
            self._caller(interaction, command)
            typed = typed_part(command, data)
            options = typed.part.options if typed else ()
            option = next((o for o in options if typed and o.name == typed.focused), None)
            if typed is None or option is None:
                return ()
            return _choices(option, self._house, str(typed.options.get(option.name) or ""))
        except Refused:
            return ()
        except Exception:
            log.exception("no suggestions for /%s", command.name)
            return ()

    async def give(self, reply: Reply) -> None:
        """Answer a command or an entry of a message's menu, to its user alone."""
        interaction = reply.interaction
        data: Any = interaction.data
        if data.get("type", 1) == MESSAGE_MENU:
            if self._at_home(interaction):
                await self._parts.menus[str(data["name"])](reply)
            else:
                await self._refuse(reply, Refusal(message=ELSEWHERE))
            return
        command = self._commands[str(data["name"])]
        try:
            caller = self._caller(interaction, command)
        except Refused as refused:
            await self._refuse(reply, refused.refusal)
            return
        await self._tell(reply, self._run(command, caller, reply))

    async def press(self, reply: Reply) -> None:
        """Do what the pressed button, the chosen entry or the sent form asks for."""
        data: Any = reply.interaction.data
        press = pressed(data)
        assert press is not None and self._house is not None
        command, run = self._presses[press.action]
        try:
            caller = self._caller(reply.interaction, command)
        except Refused as refused:
            await self._refuse(reply, refused.refusal)
            return
        await self._tell(reply, run(self._house, caller, press))

    async def _run(self, command: GuildCommand, caller: Caller, reply: Reply) -> Said:
        data: Any = reply.interaction.data
        typed = typed_part(command, data)
        run = typed.part.run if typed is not None else None
        if typed is None or run is None or self._house is None:
            names = ", ".join(sub.name for sub in command.subs)
            raise Refused(f"/{command.name} has only these subcommands: {names}.")
        return await run(self._house, caller, await read_options(typed, reply.interaction))

    async def _tell(self, reply: Reply, work: Awaitable[Said]) -> None:
        """Show what comes of ``work``; what takes longer is waited for with "thinking"."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=PROMPT_S)
        if not done:
            await reply.think(private=True)
        try:
            await self._show(reply, await task)
        except Refused as refused:
            await self._refuse(reply, refused.refusal)

    async def _show(self, reply: Reply, said: Said) -> None:
        if said.form is not None and reply.stage is Stage.NOTHING:
            await reply.form(modal_of(said.form, said.token))
            return
        if said.form is not None:
            await self._refuse(reply, Refusal(message=TOO_SLOW))
            return
        message = message_of(said, self._parts.base_url)
        replaces = said.in_place and reply.interaction.message is not None
        if replaces and reply.stage is Stage.NOTHING:
            await reply.update(message)
        else:
            await reply.answer(message, private=True)
        for preview in said.previews:
            await reply.whisper(message_of(Said(preview), self._parts.base_url))

    async def _refuse(self, reply: Reply, refusal: Refusal) -> None:
        view: View = refusal_view(refusal)
        await reply.answer(message_of(Said(view), self._parts.base_url), private=True)

    def _at_home(self, interaction: discord.Interaction[Any]) -> bool:
        home = interaction.guild_id in self._parts.settings.home_guild_ids
        return home and interaction.is_guild_integration()

    def _caller(self, interaction: discord.Interaction[Any], command: GuildCommand) -> Caller:
        """Who uses ``command``. Raises ``Refused``: not there, or not they."""
        if not self._at_home(interaction) or self._house is None:
            raise Refused(ELSEWHERE)
        asker = asker_of(interaction, private=True)
        may = interaction.permissions
        moderator = may.manage_guild or may.administrator
        maintains = self._house.community.may("maintainer", asker.guild_id, asker.roles)
        if command.who == "moderators" and not moderator:
            raise Refused(NOT_MODERATOR.format(name=command.name))
        if not (moderator or maintains):
            raise Refused(NOT_MAINTAINER.format(name=command.name))
        guild = interaction.guild
        return Caller(
            guild_id=asker.guild_id,
            guild_name=(guild.name if guild is not None else "") or "this server",
            channel_id=asker.channel_id,
            user_id=asker.user_id,
            user_name=interaction.user.name,
            roles=asker.roles,
            moderator=moderator,
            maintainer=moderator or maintains,
        )


def _choices(option: GuildOption, house: GuildHouse, text: str) -> Sequence[Choice]:
    if option.suggest is not None:
        return option.suggest(house, text)
    return [choice for choice in option.choices if text.casefold() in choice[0].casefold()]
