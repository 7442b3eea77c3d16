"""A bot that lost its database knows again what it posted, and never takes silence for nothing."""

from __future__ import annotations

import pytest

from bot.integrations.discord_client.channels.adopting import Unreadable, adopt_channel
from bot.posting import fragment
from content.sources.article import short_key
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.posting import posting
from tests.fakes.discord.routes.archive import set_metadata


async def test_messages_with_their_threads_and_publication_are_known_again(world: World) -> None:
    channel = world.fake.home.channel("news")
    async with posting(world) as bot:
        first, second = await bot.post(channel, "a:new"), await bot.post(channel, "b:new")
        one, two = await bot.sent(first), await bot.sent(second)
        await bot.sent(await bot.crosspost(one))
        await bot.sent(await bot.thread(one))
        await world.fake.user("bob").say(f"https://a.example/#{fragment(first)}", channel)
        await bot.bot.client.get_partial_messageable(int(channel.id)).send("no card")
        found = {m.key_short: m for m in await bot.senders.adopt(channel.id)}
        assert set(found) == {short_key(first), short_key(second)}
        again, other = found[short_key(first)], found[short_key(second)]
        assert (again.message_id, again.url) == (one.receipt["message_id"], one.receipt["url"])
        assert again.thread_id == one.receipt["message_id"] and again.crossposted
        assert other.thread_id == "" and not other.crossposted and other.crosspostable
        assert two.receipt["message_id"] == other.message_id
        assert other.created_at.tzinfo is not None


async def test_forum_posts_active_and_archived_are_known_again(world: World) -> None:
    forum = world.fake.home.channel("help")
    async with posting(world) as bot:
        keys = [await bot.post(forum, f"{n}:new") for n in range(3)]
        told = [await bot.sent(key) for key in keys]
        for one in told[:2]:
            thread = world.fake.channels[str(one.receipt["thread_id"])]
            await set_metadata(world.fake, thread, archived=True)
        found = {m.key_short: m for m in await bot.senders.adopt(forum.id)}
        assert set(found) == {short_key(key) for key in keys}
        for key, one in zip(keys, told, strict=True):
            mine = found[short_key(key)]
            assert mine.forum and mine.channel_id == mine.thread_id == one.receipt["thread_id"]
            assert mine.url == one.receipt["url"]


async def test_no_more_than_the_newest_thousand_are_looked_through(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.discord_client.channels.past.PAGE", 5)
    monkeypatch.setattr("bot.integrations.discord_client.channels.past.MOST", 10)
    channel, bob = world.fake.home.channel("general"), world.fake.user("bob")
    async with posting(world) as bot:
        await bot.sent(await bot.post(channel, "old:new"))
        for number in range(7):
            await bob.say(f"message {number}", channel)
        new = await bot.post(channel, "mid:new")
        await bot.sent(new)
        for number in range(4):
            await bob.say(f"message {number}", channel)
        found = await adopt_channel(bot.bot.client, channel.id)
        assert [m.key_short for m in found] == [short_key(new)]
        pages = [c for c in world.fake.requests if c.path.endswith("/messages")
                 and c.method == "GET"]  # fmt: skip
        assert len(pages) == 2


@pytest.mark.parametrize("silent", [True, False])
async def test_a_closed_history_is_an_error_that_moderators_hear_of_once(
    world: World, silent: bool
) -> None:
    world.fake.silent_history = silent
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        await bot.sent(await bot.post(channel))
        await world.fake.deny(channel, "read_message_history")
        await world.fake.wait_for(lambda: bot.senders.places.lacking(channel.id, "announcements"))
        for _ in range(2):
            with pytest.raises(Unreadable, match="Read Message History"):
                await bot.senders.adopt(channel.id)
        assert bot.troubles == [(channel.id, "announcements", ("Read Message History",))]
        await world.fake.deny(channel)
        await world.fake.wait_for(
            lambda: not bot.senders.places.lacking(channel.id, "announcements")
        )
        assert len(await bot.senders.adopt(channel.id)) == 1


async def test_an_outage_is_an_error_and_not_an_empty_channel(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        world.fake.fault("GET", "/channels/*", status=503, times=9)
        with pytest.raises(Unreadable):
            await bot.senders.adopt(channel.id)
        assert bot.troubles == []
