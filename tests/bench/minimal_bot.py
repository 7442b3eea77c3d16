"""The smallest discord.py bot with the options of /throughput: the floor that ours is held against.

Run it with DISCORD_TOKEN, DISCORD_API_BASE and DISCORD_GATEWAY_URL; it answers /ping with a fixed
text and suggests 25 fixed names, so that all its time is the library's.
"""

from __future__ import annotations

import os
from typing import Any

import discord
import yarl
from discord import app_commands

TEXT = "**1,480 output tokens/s** (1,210-1,760) · 46 tok/s per user\nTTFT 310 ms · TPOT 21.6 ms"


class MinimalBot(discord.Client):
    """A client with one command."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True))
        self.tree = app_commands.CommandTree(self)
        self.tree.add_command(ping)

    async def setup_hook(self) -> None:
        """Register the command."""
        await self.tree.sync()


async def suggest(
    interaction: discord.Interaction[Any], typed: str
) -> list[app_commands.Choice[str]]:
    """Return 25 suggestions that depend on nothing but what was typed."""
    return [app_commands.Choice(name=f"{typed[:80]} {n}", value=f"{n}") for n in range(25)]


@app_commands.command(description="Answer a fixed text.")
@app_commands.autocomplete(gpu=suggest, model=suggest)
async def ping(
    interaction: discord.Interaction[Any],
    gpu: str,
    model: str,
    gpus: int | None = None,
    batch: str | None = None,
    input: int | None = None,
    output: int | None = None,
    dtype: str | None = None,
    kv_dtype: str | None = None,
    engine: str | None = None,
    parallel: str | None = None,
    slo: str | None = None,
    rate: float | None = None,
) -> None:
    """Answer."""
    await interaction.response.send_message(TEXT)


def main() -> None:
    """Point the library at the given server and run."""
    discord.http.Route.BASE = os.environ["DISCORD_API_BASE"]
    gateway = discord.gateway.DiscordWebSocket
    gateway.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])
    MinimalBot().run(os.environ["DISCORD_TOKEN"], log_handler=None)


if __name__ == "__main__":
    main()
