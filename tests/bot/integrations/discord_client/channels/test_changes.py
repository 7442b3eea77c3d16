"""Edits, crossposts and threads: what they change, and what ends them."""

from __future__ import annotations

import asyncio

import pytest

from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.posting import CARD, posting
from tests.fakes.discord import message_text
from tests.fakes.discord.routes.archive import metadata, set_metadata

NEW = CARD.model_copy(update={"title": "A new title", "lines": ("Withdrawn.",)})


async def test_an_edit_shows_the_new_card_and_keeps_the_posts_key(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        key = await bot.post(channel, "a:new")
        told = await bot.sent(key)
        edited = await bot.sent(await bot.edit(told, f"dc:{channel.id}:a:edit:1", card=NEW))
        [message] = bot.made(channel, key)
        assert "A new title" in message_text(message.json)
        assert "Memory bandwidth" not in message_text(message.json)
        assert edited.receipt == {"url": told.receipt["url"]}


async def test_an_edit_of_a_forum_post_renames_it_once(world: World) -> None:
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(world.fake.home.channel("help"), "a:new"))
        thread = world.fake.channels[str(told.receipt["thread_id"])]
        for number in (1, 2):
            await bot.sent(await bot.edit(told, f"a:edit:{number}", card=NEW, title="A new title"))
        assert thread.name == "A new title"
        renamed = [c for c in world.fake.requests if "name" in (c.body or {}) and
                   c.method == "PATCH"]  # fmt: skip
        assert len(renamed) == 1


async def test_a_rename_that_discord_puts_off_does_not_keep_the_text_waiting(
    world: World,
) -> None:
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(world.fake.home.channel("help"), "a:new"))
        thread = world.fake.channels[str(told.receipt["thread_id"])]
        world.fake.fault("PATCH", f"/channels/{thread.id}", status=429, retry_after=0.4)
        key = await bot.edit(told, "a:edit:1", card=NEW, title="A new title")
        await bot.put_off(key)
        [message] = world.fake.channel_messages(thread)
        assert "A new title" in message_text(message.json) and thread.name != "A new title"
        await bot.sent(key)
        assert thread.name == "A new title"


async def test_an_edit_opens_an_archived_forum_post_and_leaves_a_locked_one(
    world: World,
) -> None:
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(world.fake.home.channel("help"), "a:new"))
        thread = world.fake.channels[str(told.receipt["thread_id"])]
        await set_metadata(world.fake, thread, archived=True)
        await bot.sent(await bot.edit(told, "a:edit:1", card=NEW))
        assert not metadata(thread)["archived"]
        await set_metadata(world.fake, thread, archived=True, locked=True)
        ended = await bot.ended(await bot.edit(told, "a:edit:2", card=CARD))
        assert ended.state == "never"
        assert "A new title" in message_text(world.fake.channel_messages(thread)[0].json)


async def test_what_somebody_deleted_is_left_alone(world: World) -> None:
    channel = world.fake.home.channel("news")
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(channel))
        await world.fake.messages.delete(world.fake.messages.find(str(told.receipt["message_id"])))
        for key in (await bot.edit(told, "a:edit:1"), await bot.crosspost(told),
                    await bot.thread(told)):  # fmt: skip
            ended = await bot.ended(key)
            assert ended.state == "never" and "somebody deleted the message" in ended.reason
        assert bot.troubles == []


async def test_what_was_published_by_hand_counts_as_published(world: World) -> None:
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(world.fake.home.channel("news")))
        world.fake.messages.find(str(told.receipt["message_id"])).json["flags"] |= 1
        assert (await bot.sent(await bot.crosspost(told))).receipt == {}


async def test_a_channel_that_announces_no_more_publishes_nothing(world: World) -> None:
    channel = world.fake.home.channel("news")
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(channel))
        channel.type = 0
        ended = await bot.ended(await bot.crosspost(told))
        assert ended.state == "never" and "does not publish" in ended.reason


async def test_a_thread_begins_once_and_has_the_messages_id(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(channel))
        begun = await bot.sent(await bot.thread(told, "Attention " * 30))
        thread = world.fake.channels[str(begun.receipt["thread_id"])]
        assert thread.id == told.receipt["message_id"] and len(thread.name) <= 100
        guild = world.fake.home.id
        assert begun.receipt["url"] == f"https://discord.com/channels/{guild}/{thread.id}"
        await bot.outbox.hasten("discord.thread", "channel_id", channel.id)  # of what is done
        await bot.bot.parts.store.write(
            lambda db: db.conn.execute("DELETE FROM outbox WHERE kind = 'discord.thread'")
        )
        again = await bot.sent(await bot.thread(told))
        assert again.receipt == begun.receipt


@pytest.mark.slow
async def test_twelve_crossposts_keep_to_ten_an_hour_and_none_is_lost(world: World) -> None:
    world.fake.crosspost_hour_s = 3.0
    channel = world.fake.home.channel("news")
    async with posting(world) as bot:
        posts = [await bot.post(channel, f"{n}:new") for n in range(12)]
        keys = [await bot.crosspost(await bot.sent(key)) for key in posts]
        await asyncio.gather(*(bot.sent(key, 20) for key in keys))
        mine = world.fake.channel_messages(channel)
        assert len(mine) == 12 and all(m.json["flags"] & 1 for m in mine)
        asked = [c for c in world.fake.requests if c.path.endswith("/crosspost")]
        # The four that may be under way at once run into the limit together, the others know.
        assert len([c for c in asked if c.status == 200]) == 12
        assert len([c for c in asked if c.status == 429]) <= 6


async def test_a_channel_at_its_limit_delays_no_other(world: World) -> None:
    world.fake.crosspost_hour_s = 3600.0
    full, other = world.fake.home.channel("news"), world.fake.home.channel("bots")
    other.type = 5
    async with posting(world) as bot:
        world.fake.crossposts[full.id] = [world.fake.now()] * 10
        waiting = [await bot.crosspost(await bot.sent(await bot.post(full, f"{n}:new")))
                   for n in range(6)]  # fmt: skip
        told = await bot.put_off(waiting[0])
        assert told.attempts == 0  # a pause that was asked for is no failure
        key = await bot.crosspost(await bot.sent(await bot.post(other)))
        await bot.sent(key)
        assert len([c for c in world.fake.requests if c.status == 429]) <= 4
        await bot.sent(await bot.post(full, "later:new"))  # nor its own posts
