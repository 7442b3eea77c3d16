"""A rate limit that outlasts our own time limit silences nothing for good."""

from __future__ import annotations

import asyncio

import pytest
from discord.http import Ratelimit

from tests.bot.integrations.discord_client.conftest import World


async def test_a_request_given_up_during_a_global_limit_stops_no_other(world: World) -> None:
    async with world.bot() as bot:
        channel = bot.client.get_partial_messageable(int(world.fake.home.channels[0].id))
        world.fake.fault(
            "POST", "/channels/*/messages", status=429, retry_after=60.0, whole_bot=True
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await channel.send("given up")
        async with asyncio.timeout(5):
            await channel.send("the next")
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100", "gpus": 2})
        assert reply.ack_ms


async def test_a_request_given_up_as_it_hands_out_new_tokens_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its channel took no post any more: 92 of 100 answers, each tried again and again."""
    refresh = Ratelimit._refresh
    slow = [True]

    async def slowly(bucket: Ratelimit) -> None:
        if slow:
            slow.clear()
            await asyncio.sleep(60)
        await refresh(bucket)

    async with world.bot() as bot:
        channel = bot.client.get_partial_messageable(int(world.fake.home.channels[0].id))
        monkeypatch.setattr(Ratelimit, "_refresh", slowly)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await channel.send("done, and given up")
        async with asyncio.timeout(5):  # the library itself looks again after 30 s
            await channel.send("the next")
            await asyncio.gather(*(channel.send(str(n)) for n in range(3)))
