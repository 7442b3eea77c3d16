"""A running bot with the senders of channel posts, and what a test asks of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from bot.integrations.discord_client.channels.cards import key_in
from bot.integrations.discord_client.channels.senders import ChannelSenders
from bot.integrations.discord_client.parts import DiscordParts
from bot.outbox import Effect, Outbox, Told, enqueue
from bot.posting import Card, ChannelPost, Crosspost, MessageEdit, ThreadStart
from content.sources.article import short_key
from tests.bot.integrations.discord_client.conftest import Bot, World
from tests.fakes.discord import Channel
from tests.fakes.discord.messages import Stored

GRACE_S = 0.6
CARD = Card(
    title="The arithmetic of attention",
    url="https://mlsystems.dev/blog/attention",
    lines=("Memory bandwidth, not FLOPs, is what bounds modern inference.", "by lchen · 14 min"),
    links=(("Read", "https://mlsystems.dev/blog/attention"), ("Discuss", "https://d.example/7")),
)


@dataclass
class Posting:
    """``troubles`` are the calls for moderators: channel, purpose, what is lacking."""

    world: World
    bot: Bot
    outbox: Outbox
    senders: ChannelSenders
    running: asyncio.Task[None]
    troubles: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    async def post(self, channel: Channel, key: str = "new", **what: Any) -> str:
        """Enqueue a post of ``CARD``; the effect's key."""
        assert channel.guild is not None
        given: dict[str, Any] = {"channel_id": channel.id, "guild_id": channel.guild.id}
        given |= {"card": CARD} | what
        return await self.add(f"dc:{channel.id}:{key}", "discord.post", ChannelPost(**given))

    async def edit(self, told: Told, key: str, **what: Any) -> str:
        """Enqueue an edit of what ``told`` posted."""
        given: dict[str, Any] = {"guild_id": self.world.fake.home.id, "card": CARD}
        given |= {name: str(told.receipt[name]) for name in ("channel_id", "message_id")}
        return await self.add(key, "discord.edit", MessageEdit(**(given | what)))

    async def crosspost(self, told: Told) -> str:
        """Enqueue publishing what ``told`` posted."""
        ids = {name: str(told.receipt[name]) for name in ("channel_id", "message_id")}
        key = f"crosspost:{ids['message_id']}"
        return await self.add(key, "discord.crosspost", Crosspost(**ids))

    async def thread(self, told: Told, name: str = "Talk here") -> str:
        """Enqueue a thread under what ``told`` posted."""
        ids = {name: str(told.receipt[name]) for name in ("channel_id", "message_id")}
        start = ThreadStart(**ids, guild_id=self.world.fake.home.id, name=name)
        return await self.add(f"thread:{ids['message_id']}", "discord.thread", start)

    async def add(self, key: str, kind: str, payload: Any) -> str:
        """Enqueue one effect."""
        body: Mapping[str, JsonValue] = payload.payload()
        effect = Effect(key, kind, body)
        await self.bot.parts.store.write(lambda db: enqueue(db, effect))
        self.outbox.wake()
        return key

    async def ended(self, key: str, timeout_s: float = 15.0) -> Told:
        """How it ended."""
        async with asyncio.timeout(timeout_s):
            while True:
                told = await self.outbox.state_of(key)
                assert told is not None
                if told.state in ("sent", "never"):
                    return told
                await asyncio.sleep(0.02)

    async def sent(self, key: str, timeout_s: float = 15.0) -> Told:
        """Its receipt, once it is done."""
        told = await self.ended(key, timeout_s)
        assert told.state == "sent", told
        return told

    async def put_off(self, key: str) -> Told:
        """What is known of it once it was refused for now."""
        async with asyncio.timeout(10):
            while True:
                told = await self.outbox.state_of(key)
                assert told is not None
                if told.state == "waiting" and told.reason:
                    return told
                await asyncio.sleep(0.02)

    def made(self, channel: Channel, key: str) -> list[Stored]:
        """Our messages there that carry the key."""
        found = self.world.fake.channel_messages(channel)
        return [m for m in found if key_in(m.json) == short_key(key)]

    async def kill(self) -> None:
        """Stop delivering, as a killed process does: nothing that is under way is ended."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


@asynccontextmanager
async def posting(world: World, grace_s: float = GRACE_S) -> AsyncIterator[Posting]:
    """A process of the bot over the world's database."""
    made: list[Posting] = []

    async def told_of_changes(parts: DiscordParts, _: Outbox) -> DiscordParts:
        return replace(
            parts,
            channels_changed=lambda guild: made[0].senders.channels_changed(guild) if made else 0,
        )

    world.extra = told_of_changes
    async with world.bot() as bot:
        outbox = Outbox(bot.parts.store)

        async def trouble(guild: str, channel: str, purpose: str, lacking: list[str]) -> None:
            made[0].troubles.append((channel, purpose, tuple(lacking)))

        senders = ChannelSenders(lambda: bot.service.client, trouble)
        senders.register(outbox, grace_s=grace_s)
        running = asyncio.create_task(outbox.run())
        made.append(Posting(world, bot, outbox, senders, running))
        try:
            yield made[0]
        finally:
            await made[0].kill()
