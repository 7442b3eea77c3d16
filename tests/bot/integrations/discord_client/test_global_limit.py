"""A global rate limit that outlasts our own time limit silences nothing for good."""

from __future__ import annotations

import asyncio

import pytest

from bot.integrations.discord_client.global_limit import mend_global_limit
from tests.bot.integrations.discord_client.conftest import World


async def test_a_request_given_up_during_a_global_limit_stops_no_other(world: World) -> None:
    async with world.bot() as bot:
        mend_global_limit(bot.client)
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
