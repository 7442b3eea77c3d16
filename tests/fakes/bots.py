"""Run a real discord.py client against the fake, and put discord.py back as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
import yarl
from discord.ext import commands

from tests.fakes.discord import FakeDiscord

READY_WAIT_S = 0.02  # discord.py waits this long for another guild; its default of 2 s is for 2,500


class QuickBot(commands.Bot):
    """A bot without the library's 5 s of patience before a second IDENTIFY."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Do not wait."""


def make_bot(intents: discord.Intents | None = None) -> QuickBot:
    """Return a bot that asks for the guilds intent only and is ready at once."""
    return QuickBot(
        commands.when_mentioned,
        intents=intents or discord.Intents(guilds=True),
        guild_ready_timeout=READY_WAIT_S,
        help_command=None,
    )


@asynccontextmanager
async def pointed_at(fake: FakeDiscord) -> AsyncIterator[None]:
    """Let discord.py speak to the fake instead of Discord."""
    route, socket = discord.http.Route, discord.gateway.DiscordWebSocket
    before = (route.BASE, socket.DEFAULT_GATEWAY, discord.asset.Asset.BASE)
    route.BASE = fake.api_base
    socket.DEFAULT_GATEWAY = yarl.URL(fake.gateway_url)
    discord.asset.Asset.BASE = fake.cdn_base
    try:
        yield
    finally:
        route.BASE, socket.DEFAULT_GATEWAY, discord.asset.Asset.BASE = before


@asynccontextmanager
async def running(bot: discord.Client, fake: FakeDiscord, token: str = "") -> AsyncIterator[None]:
    """Run a bot until the block ends; an error that ended the bot is raised here."""
    async with pointed_at(fake):
        task = asyncio.create_task(bot.start(token or fake.token))
        waiting = asyncio.create_task(fake.ready())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            await waiting
            yield
        finally:
            waiting.cancel()
            await bot.close()
            await asyncio.gather(task, waiting, return_exceptions=True)
