"""The fake's faults against the real discord.py: broken here as they break on Discord."""

from __future__ import annotations

import aiohttp
import discord
import pytest

from tests.fakes.bots import running
from tests.fakes.demo import PNG, DemoBot, chart
from tests.fakes.discord import FakeDiscord, NoAnswer

pytestmark = pytest.mark.slow


async def test_a_429_is_waited_out(fake: FakeDiscord, bot: DemoBot) -> None:
    fault = fake.fault("POST", "/interactions/*/callback", status=429, retry_after=0.05)
    reply = await fake.user("alice").slash("ping")
    assert fault.hits == 1 and reply.text == "pong 1"


async def test_a_429_without_via_is_a_ban_for_the_library(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.ack_deadline_s = 0.2
    fake.fault("POST", "/interactions/*/callback", status=429, via=False)
    with pytest.raises(NoAnswer):
        await fake.user("alice").slash("ping")
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].status == 429


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503])
async def test_a_5xx_on_the_answer_is_retried(fake: FakeDiscord, bot: DemoBot, status: int) -> None:
    fake.fault("POST", "/interactions/*/callback", status=status)
    reply = await fake.user("alice").slash("ping")
    assert reply.text == "pong 1" and reply.ack_ms > 900


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_reset_connection_raises_and_after_means_the_work_was_done(
    fake: FakeDiscord, bot: DemoBot, when: str
) -> None:
    fake.ack_deadline_s = 0.3
    fake.fault("POST", "/interactions/*/callback", reset=when)
    reply = await fake.user("alice").slash("ping", wait=False)
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)
    assert reply.answered is (when == "after")


@pytest.mark.parametrize("after", [False, True])
async def test_a_5xx_comes_before_the_work_or_after_it(fake: FakeDiscord, after: bool) -> None:
    channel = fake.home.channels[0]
    fake.fault("POST", "/channels/*/messages", status=502, after=after)
    url, who = f"{fake.api_base}/channels/{channel.id}/messages", f"Bot {fake.token}"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"content": "hello"}, headers={"Authorization": who}) as reply,
    ):
        assert reply.status == 502
    assert len(fake.channel_messages(channel)) == after


async def test_a_dropped_socket_resumes_and_replays(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.gateway.drop()
    await fake.wait_for(lambda: not fake.gateway.sockets)
    reply = await fake.user("alice").slash("ping")
    assert reply.text == "pong 1"
    assert len(fake.resumes) == 1 and len(fake.identifies) == 1
    assert fake.gateway.paths[-1].startswith("/gateway/resume")


@pytest.mark.parametrize("how", ["op 7", "op 9 true", "close 4000"])
async def test_a_polite_interruption_resumes(fake: FakeDiscord, bot: DemoBot, how: str) -> None:
    if how == "op 7":
        await fake.gateway.reconnect()
    elif how == "op 9 true":
        await fake.gateway.invalidate(resumable=True)
    else:
        await fake.gateway.close(4000)
    await fake.wait_for(lambda: fake.resumes)
    assert (await fake.user("alice").slash("ping")).text == "pong 1"
    assert len(fake.identifies) == 1


async def test_a_lost_session_identifies_again_at_the_fake(fake: FakeDiscord, bot: DemoBot) -> None:
    await fake.gateway.invalidate(resumable=False)
    await fake.wait_for(lambda: len(fake.identifies) == 2)
    await fake.ready()
    assert (await fake.user("alice").slash("ping")).text == "pong 1"
    assert fake.resumes == []


async def test_heartbeats_are_answered() -> None:
    async with FakeDiscord(heartbeat_s=0.05) as quick:
        bot = DemoBot()
        async with running(bot.client, quick):
            first = bot.client.latency
            await quick.wait_for(lambda: bot.client.latency not in (first, float("inf")))
        assert len(quick.identifies) == 1


@pytest.mark.slow
async def test_a_refused_socket_is_tried_again(fake: FakeDiscord) -> None:
    bot = DemoBot()
    async with running(bot.client, fake):
        fake.gateway.refuse_next = 1
        fake.gateway.drop()
        await fake.wait_for(lambda: not fake.gateway.refuse_next)
        reply = await fake.user("alice").slash("ping", wait=False)
        await fake.wait_for(lambda: reply.answered, 10)
    assert len(fake.identifies) == 1


async def test_the_second_answer_to_a_doubled_interaction_is_40060(
    fake: FakeDiscord, bot: DemoBot
) -> None:
    reply = await fake.user("alice").slash("ping", copies=2)
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].code == 40060
    assert len(reply.history) == 1


async def test_a_dead_token_is_50027(fake: FakeDiscord, bot: DemoBot) -> None:
    await fake.user("alice").slash("ask")
    fake.kill_tokens()
    bot.gate.set()
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].code == 50027


async def test_a_late_answer_is_10062(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.ack_deadline_s = 0.05
    with pytest.raises(NoAnswer) as caught:
        await fake.user("alice").slash("hold")
    bot.gate.set()
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.NotFound) and bot.errors[0].code == 10062
    assert not caught.value.reply.answered


async def test_a_dismissed_thinking_message_is_10008(fake: FakeDiscord, bot: DemoBot) -> None:
    alice = fake.user("alice")
    reply = await alice.slash("ask")
    assert reply.thinking and reply.ephemeral
    await alice.dismiss(reply.message)
    bot.gate.set()
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.NotFound) and bot.errors[0].code == 10008


async def test_the_same_nonce_posts_once(fake: FakeDiscord, bot: DemoBot) -> None:
    channel = bot.client.get_partial_messageable(int(fake.home.channel("news").id))
    first = await channel.send("once", nonce="a1")
    again = await channel.send("once", nonce="a1")
    assert first.id == again.id
    assert len(fake.channel_messages(fake.home.channel("news"))) == 1
    await first.edit(content="twice")
    await first.delete()
    assert [e.kind for e in fake.messages.events] == ["create", "edit", "delete"]
    assert not fake.violations


async def test_a_denied_channel_refuses_until_allowed(fake: FakeDiscord, bot: DemoBot) -> None:
    news = fake.home.channel("news")
    channel = bot.client.get_partial_messageable(int(news.id))
    await fake.deny(news, "attach_files")
    with pytest.raises(discord.Forbidden) as refused:
        await channel.send("x", file=chart())
    assert refused.value.code == 50013
    await fake.deny(news)
    assert (await channel.send("x", file=chart())).attachments[0].size == len(PNG)


async def test_direct_messages_and_foreign_channels(fake: FakeDiscord, bot: DemoBot) -> None:
    alice = await bot.client.fetch_channel(int(fake.dm(fake.user("alice")).id))
    assert isinstance(alice, discord.DMChannel)
    await alice.send("hello")
    assert fake.channel_messages(fake.dm(fake.user("alice")))[0].json["content"] == "hello"
    with pytest.raises(discord.Forbidden):
        await bot.client.fetch_channel(int(fake.foreign.channels[0].id))


async def test_others_words_are_blank_without_the_intent(fake: FakeDiscord) -> None:
    bot = DemoBot(discord.Intents(guilds=True, guild_messages=True))
    async with running(bot.client, fake):
        said = await fake.user("alice").say("a secret")
        await fake.wait_for(lambda: bot.seen)
        channel = bot.client.get_partial_messageable(int(fake.home.channels[0].id))
        read = await channel.fetch_message(int(said["id"]))
        assert bot.seen == [""] and read.content == ""
        await fake.user("alice").say(f"<@{fake.app_id}> hello")
        await fake.wait_for(lambda: len(bot.seen) == 2)
        assert bot.seen[1].endswith("hello"), "what mentions the bot is for the bot"


async def test_others_words_are_readable_with_the_intent() -> None:
    async with FakeDiscord(privileged=True) as fake:
        intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
        bot = DemoBot(intents)
        async with running(bot.client, fake):
            await fake.user("alice").say("no secret")
            await fake.wait_for(lambda: bot.seen)
            assert bot.seen == ["no secret"]


async def test_a_privileged_intent_that_is_off_ends_the_bot(fake: FakeDiscord) -> None:
    bot = DemoBot(discord.Intents(guilds=True, message_content=True))
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with running(bot.client, fake):
            pass


async def test_a_wrong_token_is_refused(fake: FakeDiscord) -> None:
    bot = DemoBot()
    with pytest.raises(discord.LoginFailure):
        async with running(bot.client, fake, token="MTA.wrong.token"):
            pass


async def test_an_invalid_component_is_a_violation(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.ack_deadline_s = 0.2
    with pytest.raises(NoAnswer):
        await fake.user("alice").slash("odd", {"word": "h1"})
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].code == 50035
    assert "label" in fake.violations[0].problem


async def test_an_unknown_route_is_a_violation(fake: FakeDiscord, bot: DemoBot) -> None:
    with pytest.raises(discord.NotFound):
        await bot.client.http.get_user(1)
    assert fake.violations[0].path == "/users/1"
