"""A channel that takes nothing: moderators are told once, and what waits follows by itself."""

from __future__ import annotations

import pytest

from bot.integrations.discord_client.channels.cards import card_view
from bot.integrations.discord_client.channels.needs import CHANNEL
from bot.integrations.discord_client.channels.places import ClientPlaces
from bot.integrations.discord_client.channels.troubles import Spot, Troubles, trouble_card
from bot.render.discord import payload
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.posting import posting
from tests.fakes.discord import message_text
from tests.fakes.discord.world import BOT_MAY

SEND, VIEW = "Send Messages", "View Channel"


@pytest.mark.parametrize("taken", ["send_messages", "view_channel"])
async def test_a_permission_taken_is_told_once_and_its_return_delivers_at_once(
    world: World, taken: str
) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        await world.fake.deny(channel, taken)
        keys = [await bot.post(channel, f"{n}:new") for n in range(6)]
        for key in keys:
            assert "lacks" in (await bot.put_off(key)).reason
        lacking = (SEND,) if taken == "send_messages" else (VIEW,)
        assert bot.troubles == [(channel.id, "announcements", lacking)]
        refused = [c for c in world.fake.requests if c.status == 403]
        assert len(refused) <= 4  # those under way at once; the others are not even asked
        other = world.fake.home.channel("bots")
        await bot.sent(await bot.post(other))
        await world.fake.deny(channel)
        for key in keys:
            await bot.sent(key, 4)  # the next try by itself would be 5 s after the first
            assert len(bot.made(channel, key)) == 1


async def test_a_trouble_that_comes_back_is_told_again(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        for number in range(2):
            await world.fake.deny(channel, "send_messages")
            key = await bot.post(channel, f"{number}:new")
            await bot.put_off(key)
            await world.fake.deny(channel)
            await bot.sent(key, 4)
        assert [lacking for _, _, lacking in bot.troubles] == [(SEND,), (SEND,)]


async def test_another_lack_in_the_same_channel_is_told_too(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(channel))
        await world.fake.deny(channel, "send_messages", "create_public_threads")
        post, thread = await bot.post(channel, "b:new"), await bot.thread(told)
        await bot.put_off(post)
        await bot.put_off(thread)
        assert {lacking for _, _, lacking in bot.troubles} == {(SEND,), ("Create Public Threads",)}
        await world.fake.deny(channel)
        await bot.sent(post, 4)
        await bot.sent(thread, 4)


async def test_a_role_that_gets_its_permission_back_delivers_at_once(world: World) -> None:
    channel, role = world.fake.home.channel("general"), world.fake.home.role("bot")
    everyone = world.fake.home.roles[0]
    async with posting(world) as bot:
        await world.fake.allow_role(everyone, world.fake.home, "view_channel")
        less = [name for name in BOT_MAY if name != "send_messages"]
        await world.fake.allow_role(role, world.fake.home, *less)
        key = await bot.post(channel)
        await bot.put_off(key)
        await world.fake.allow_role(role, world.fake.home, *BOT_MAY)
        await bot.sent(key, 4)


async def test_an_unrelated_change_asks_nothing_of_a_channel_still_closed(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        await world.fake.deny(channel, "send_messages")
        key = await bot.post(channel)
        await bot.put_off(key)
        before = len([c for c in world.fake.requests if c.status == 403])
        for _ in range(3):
            await world.fake.gateway.channel_changed(world.fake.home.channel("bots"))
        await bot.sent(await bot.post(world.fake.home.channel("bots")))
        assert len([c for c in world.fake.requests if c.status == 403]) == before
        await world.fake.deny(channel)
        await bot.sent(key, 4)


async def test_a_deleted_channel_keeps_what_waits_for_it(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        await world.fake.delete_channel(channel)
        key = await bot.post(channel)
        await bot.put_off(key)
        assert bot.troubles == [(channel.id, "announcements", (CHANNEL,))]


async def test_a_forum_without_posts_of_ours_asks_for_create_posts(world: World) -> None:
    forum = world.fake.home.channel("help")
    async with posting(world) as bot:
        await world.fake.deny(forum, "send_messages")
        await bot.put_off(await bot.post(forum))
        assert bot.troubles[0][2] == ("Create Posts",)


async def test_a_teller_that_fails_stops_no_post_and_is_asked_again(world: World) -> None:
    world.tracebacks = 1
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        told = bot.troubles

        class Failing(list[tuple[str, str, tuple[str, ...]]]):
            def append(self, item: tuple[str, str, tuple[str, ...]]) -> None:
                bot.troubles = told
                raise RuntimeError("the moderators' channel is not set")

        bot.troubles = Failing()
        await world.fake.deny(channel, "send_messages")
        await bot.put_off(await bot.post(channel))
        await world.fake.deny(channel)
        await world.fake.deny(channel, "send_messages")
        await bot.put_off(await bot.post(channel, "b:new"))
        await world.fake.deny(channel)
        await bot.sent(await bot.post(channel, "c:new"))


def test_moderators_read_where_and_what_to_grant() -> None:
    card = trouble_card("1", "2", "kernels", "announcements", [SEND, "Read Message History"], 2)
    shown = payload(card_view(card, "trouble"))
    text = message_text(shown | {"content": "", "embeds": []})
    assert "#kernels" in text and "Send Messages, Read Message History" in text
    assert "2 waiting posts" in text and "announcements" in text
    [button] = shown["components"][0]["components"][-1]["components"]
    assert button["url"] == "https://discord.com/channels/1/2"


def test_moderators_read_of_a_channel_that_is_gone_and_of_a_tag() -> None:
    gone = trouble_card("1", "2", "", "announcements", [CHANNEL])
    assert "cannot find channel 2" in gone.title and "/config channel" in " ".join(gone.lines)
    tag = trouble_card("1", "2", "help", "announcements", ['a tag "Kernels"'])
    assert 'add a tag "Kernels"' in " ".join(tag.lines)


async def test_a_trouble_that_is_settled_while_telling_of_it_fails_is_no_trouble() -> None:
    spot = Spot("discord.post", "1", "5", "announcements")

    async def tell(*_: object) -> None:
        troubles.settled(spot)  # another post of the channel went out meanwhile
        raise OSError("the disk is full")

    async def hasten(*_: object) -> None:
        raise AssertionError

    troubles = Troubles(ClientPlaces(lambda: None), tell, hasten)
    assert "lacks" in str(await troubles.met(spot, [SEND]))
