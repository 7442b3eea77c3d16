"""A small bot with one of everything, written with discord.py alone."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import discord
from discord import app_commands, ui

from tests.fakes.bots import make_bot

PNG = b"\x89PNG not really"


class Form(ui.Modal, title="Inputs"):
    """A form with one field."""

    batch: ui.TextInput[Form] = ui.TextInput(label="Batch", default="32", custom_id="batch")

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.edit_message(content=f"batch {self.batch.value}")


class Buttons(ui.View):
    """A persistent button that opens the form, and one that answers."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @ui.button(label="Change inputs", custom_id="change")
    async def change(self, interaction: discord.Interaction[Any], _: ui.Button[Buttons]) -> None:
        await interaction.response.send_modal(Form())

    @ui.button(label="Explain", custom_id="explain")
    async def explain(self, interaction: discord.Interaction[Any], _: ui.Button[Buttons]) -> None:
        await interaction.response.send_message("because", ephemeral=True)

    @ui.select(placeholder="Pick", custom_id="pick", options=[discord.SelectOption(label="One")])
    async def pick(self, interaction: discord.Interaction[Any], menu: ui.Select[Buttons]) -> None:
        await interaction.response.edit_message(content=f"picked {menu.values[0]}")


def card(text: str) -> ui.LayoutView:
    """Return a components v2 answer with a picture."""
    view = ui.LayoutView(timeout=None)
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    gallery.add_item(media="attachment://chart.png", description="a chart")
    view.add_item(ui.Container(ui.TextDisplay(text), gallery))
    return view


def chart() -> discord.File:
    """Return a file as a bot attaches it."""
    return discord.File(io.BytesIO(PNG), "chart.png")


class DemoBot:
    """A bot with one command for each thing the fake must do; it keeps the errors it met."""

    def __init__(self, intents: discord.Intents | None = None) -> None:
        self.client = make_bot(intents)
        self.errors: list[BaseException] = []
        self.seen: list[str] = []
        self.gate = asyncio.Event()
        tree = self.client.tree
        tree.error(self._failed)
        for command in (self.ping, self.slow, self.hold, self.ask, self.card, self.shout, self.odd):
            name = command.__name__
            made: Any = app_commands.Command(name=name, description=name, callback=command)
            made.allowed_installs = app_commands.AppInstallationType(guild=True, user=True)
            tree.add_command(made)
        made.autocomplete("word")(self.suggest)
        self.client.add_listener(self.on_message)
        self.client.setup_hook = self.set_up  # type: ignore[method-assign]

    async def set_up(self) -> None:
        self.client.add_view(Buttons())
        await self.client.tree.sync()

    async def _failed(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        self.errors.append(getattr(error, "original", error))

    async def on_message(self, message: discord.Message) -> None:
        self.seen.append(message.content)

    async def ping(self, interaction: discord.Interaction[Any], number: int = 1) -> None:
        await interaction.response.send_message(f"pong {number}", view=Buttons())

    async def slow(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="done", attachments=[chart()])
        await interaction.followup.send("and more")

    async def hold(self, interaction: discord.Interaction[Any]) -> None:
        await self.gate.wait()
        await interaction.response.send_message("at last")

    async def ask(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(ephemeral=True)
        await self.gate.wait()
        await interaction.edit_original_response(content="late news")

    async def card(self, interaction: discord.Interaction[Any]) -> None:
        answer = await interaction.response.send_message(view=card("**hello**"), file=chart())
        assert isinstance(answer.resource, discord.InteractionMessage)
        self.seen.append(str(answer.resource.id))

    async def shout(self, interaction: discord.Interaction[Any], text: str) -> None:
        mine = discord.AllowedMentions(everyone=False, users=[interaction.user], roles=False)
        await interaction.response.send_message(text, allowed_mentions=mine)

    async def odd(self, interaction: discord.Interaction[Any], word: str) -> None:
        button: ui.Button[ui.View] = ui.Button(label="x" * 90)
        await interaction.response.send_message(word, view=ui.View().add_item(button))

    async def suggest(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}!", value=typed)]
