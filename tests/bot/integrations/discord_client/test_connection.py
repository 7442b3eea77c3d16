"""The gateway, the configured addresses, and the end of a process."""

from __future__ import annotations

import asyncio
import logging

import pytest
from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.integrations.discord_client.bases import use_bases
from bot.integrations.discord_client.client import DiscordRefused, K2CClient
from bot.view import Chart
from config.settings import load_settings
from tests.bot.integrations.discord_client.conftest import World


async def asks(world: World, who: str = "alice") -> str:
    """The text of an answer, got now."""
    return (await world.fake.user(who).slash("pace", {"gpu": "h100"})).text


async def test_no_socket_leaves_for_discord_also_after_a_session_is_lost(
    world: World, only_loopback: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object, **__: object) -> None:
        """Discord's five seconds between two IDENTIFY are not what is tested."""

    monkeypatch.setattr(K2CClient, "before_identify_hook", at_once)
    async with world.bot():
        assert "requests/s" in await asks(world)
        await world.fake.gateway.invalidate(resumable=False)
        await world.fake.wait_for(lambda: len(world.fake.identifies) == 2)
        await world.fake.ready()
        assert "requests/s" in await asks(world, "bob")
    assert set(only_loopback) == {"127.0.0.1"}
    assert len(world.fake.gateway.paths) == 2


async def test_a_session_lost_long_after_its_start_is_replaced_without_five_seconds_pause(
    world: World,
) -> None:
    async with world.bot() as bot:
        bot.client._signed_in_at -= 60
        await world.fake.gateway.invalidate(resumable=False)
        await world.fake.wait_for(lambda: len(world.fake.identifies) == 2, 3)
        pause = asyncio.create_task(bot.client.before_identify_hook(None))
        assert not (await asyncio.wait({pause}, timeout=0.1))[0]  # a second one at once waits
        pause.cancel()


async def test_a_gateway_that_is_set_is_not_asked_for(world: World) -> None:
    world.settings = {"discord_gateway_url": world.fake.gateway_url}
    async with world.bot():
        assert "requests/s" in await asks(world)
    assert not [c for c in world.fake.requests if c.path == "/gateway/bot"]


@pytest.mark.parametrize("event", ["drop", "close", "reconnect", "invalidate"])
async def test_what_is_asked_during_a_lost_connection_is_answered(
    world: World, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discord.backoff.ExponentialBackoff.delay", lambda _: 0.05)
    async with world.bot():
        gateway = world.fake.gateway
        if event == "invalidate":
            await gateway.invalidate(resumable=True)
        else:
            done = getattr(gateway, event)()
            if done is not None:
                await done
        assert "requests/s" in await asks(world)
        await world.fake.wait_for(lambda: world.fake.resumes)
    assert len(world.fake.identifies) == 1


def test_addresses_that_are_not_set_leave_the_library_alone(_library_as_it_was: None) -> None:
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE
    use_bases(load_settings(discord_api_base="", discord_gateway_url="", discord_cdn_base=""))
    assert before == (Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE)
    assert Route.BASE.startswith("https://discord.com/")


def test_addresses_that_are_set_are_used(_library_as_it_was: None) -> None:
    use_bases(
        load_settings(
            discord_api_base="https://proxy.example/api/v10/",
            discord_gateway_url="wss://proxy.example/gateway",
            discord_cdn_base="https://cdn.example",
        )
    )
    assert Route.BASE == "https://proxy.example/api/v10"
    assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "wss://proxy.example/gateway"
    assert Asset.BASE == "https://cdn.example"


async def test_a_shutdown_finishes_the_answers_in_flight(world: World) -> None:
    async with world.bot() as bot:
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100", "model": "org/m"})
        assert reply.thinking
        await bot.service.close()
        assert "10 requests/s" in reply.text and reply.files


async def test_a_shutdown_waits_for_no_answer_forever(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.integrations.discord_client.intake.SHUTDOWN_S", 0.05)
    world.fake.fault("PATCH", "/webhooks/*", late_s=0.5)
    async with world.bot() as bot:
        await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        await asyncio.wait_for(bot.service.close(), 2)
    assert "1 answers unfinished" in caplog.text


async def test_what_a_shutdown_left_unfinished_is_no_failure(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    drawn, png = asyncio.Event(), world.charts.png

    async def late(chart: Chart) -> bytes:
        await drawn.wait()
        return await png(chart)

    monkeypatch.setattr("bot.integrations.discord_client.intake.SHUTDOWN_S", 0.05)
    monkeypatch.setattr(world.charts, "png", late)
    async with world.bot() as bot:
        await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        client = bot.client
        await bot.service.close()
        drawn.set()
        await asyncio.wait_for(client.intake._idle.wait(), 30)
    assert "1 answers unfinished" in caplog.text
    assert "is left unfinished: Session is closed" in caplog.text
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


async def test_what_is_asked_during_a_shutdown_gets_a_sentence(world: World) -> None:
    async with world.bot() as bot:
        bot.client.intake.closing = True
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        assert reply.ephemeral and "being restarted" in reply.text


async def test_nothing_of_members_or_messages_is_kept(world: World) -> None:
    async with world.bot() as bot:
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        await reply.edited()
        await world.fake.user("alice").click(reply.message, "Change inputs")
        client = bot.client
        assert not client.cached_messages and not client.persistent_views
        store = client._connection._view_store
        assert store._views == {} and store._modals == {}
        assert [len(g.members) for g in client.guilds] == [1, 1], "only the bot itself"


async def test_a_token_never_reaches_a_log_or_a_body(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with world.bot():
        await asks(world)
    own = [r for r in caplog.records if not r.name.startswith("discord")]
    assert world.fake.token not in "\n".join(r.getMessage() for r in own)
    assert world.fake.token not in str([call.body for call in world.fake.requests])


@pytest.mark.parametrize("code", [4004, 4014])
async def test_a_connection_that_discord_closes_for_good_is_one_sentence(
    world: World, code: int
) -> None:
    async with world.bot() as bot:
        await world.fake.gateway.close(code)
        with pytest.raises(DiscordRefused):
            await asyncio.wait_for(bot.running, 5)
