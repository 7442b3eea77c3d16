"""Posts in channels, forums and threads look and land as moderators configured them."""

from __future__ import annotations

import pytest

from bot.posting import Card
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels, links
from tests.bot.integrations.discord_client.posting import CARD, posting
from tests.fakes.discord import Channel, message_text
from tests.fakes.discord.routes.archive import metadata, set_metadata


def forum(world: World, *tags: str, needs: bool = False, moderated: str = "") -> Channel:
    """The home server's forum with these tags."""
    found = world.fake.home.channel("help")
    found.extra["available_tags"] = [
        {"id": world.fake.new_id(), "name": name, "moderated": name == moderated,
         "emoji_id": None, "emoji_name": None}
        for name in tags
    ]  # fmt: skip
    found.extra["flags"] = 16 if needs else 0
    return found


def applied(world: World, told_thread: object) -> list[str]:
    """The names of the tags on a forum post."""
    thread = world.fake.channels[str(told_thread)]
    assert thread.parent is not None
    names = {tag["id"]: tag["name"] for tag in thread.parent.extra["available_tags"]}
    return [names[tag] for tag in thread.extra["applied_tags"]]


async def test_a_post_shows_its_title_and_text_and_where_to_go_on(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        key = await bot.post(channel)
        told = await bot.sent(key)
        [message] = bot.made(channel, key)
        text = message_text(message.json)
        assert text.startswith("**[The arithmetic of attention](<https://mlsystems.dev/blog/")
        assert "Memory bandwidth, not FLOPs" in text and "by lchen" in text
        assert labels(message.json) == ["Read", "Discuss"]
        assert links(message.json) == ["https://mlsystems.dev/blog/attention",
                                       "https://d.example/7"]  # fmt: skip
        assert message.pings == set()
        guild = world.fake.home.id
        assert told.receipt == {
            "channel_id": channel.id, "message_id": message.id, "thread_id": "",
            "url": f"https://discord.com/channels/{guild}/{channel.id}/{message.id}",
            "crosspostable": False, "channel_name": "general", "mention_role": "",
        }  # fmt: skip


async def test_what_an_announcement_channel_got_can_be_published(world: World) -> None:
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(world.fake.home.channel("news")))
        assert told.receipt["crosspostable"] is True
        await bot.sent(await bot.crosspost(told))
        stored = world.fake.messages.find(str(told.receipt["message_id"]))
        assert stored.json["flags"] & 1


async def test_a_forum_gets_a_post_with_the_tags_it_has(world: World) -> None:
    place = forum(world, "Quantization", "Kernels", "News", "Inference & Serving")
    async with posting(world) as bot:
        card = CARD.model_copy(update={"title": "Attention " * 30})
        tags = ("inference & serving", "unknown", "Kernels")
        told = await bot.sent(await bot.post(place, card=card, tags=tags))
        thread = world.fake.channels[str(told.receipt["thread_id"])]
        assert told.receipt["channel_id"] == told.receipt["message_id"] == thread.id
        assert thread.parent is place and len(thread.name) <= 100
        assert thread.name.endswith("\u2026")
        assert applied(world, thread.id) == ["Inference & Serving", "Kernels"]
        assert len(world.fake.channel_messages(thread)) == 1


async def test_a_forum_that_wants_a_tag_gets_the_nearest_one(world: World) -> None:
    place = forum(world, "Misc", "Quantisation", needs=True)
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(place, tags=("Quantization",)))
        assert applied(world, told.receipt["thread_id"]) == ["Quantisation"]


async def test_where_no_tag_fits_moderators_are_asked_for_one_and_the_post_follows(
    world: World,
) -> None:
    place = forum(world, "Off-topic", "Kernels", needs=True, moderated="Kernels")
    async with posting(world) as bot:
        key = await bot.post(place, tags=("Kernels",))
        told = await bot.put_off(key)
        assert 'a tag "Kernels"' in told.reason
        assert bot.troubles == [(place.id, "announcements", ('a tag "Kernels"',))]
        place.extra["available_tags"][1]["moderated"] = False
        await world.fake.gateway.channel_changed(place)
        told = await bot.sent(key)
        assert applied(world, told.receipt["thread_id"]) == ["Kernels"]


async def test_at_most_five_tags_are_set(world: World) -> None:
    names = tuple("abcdefg")
    place = forum(world, *names)
    async with posting(world) as bot:
        told = await bot.sent(await bot.post(place, tags=names))
        assert applied(world, told.receipt["thread_id"]) == list("abcde")


async def test_an_archived_thread_is_written_in_and_a_locked_one_is_not(world: World) -> None:
    thread = world.fake.home.channel("a-thread")
    async with posting(world) as bot:
        await set_metadata(world.fake, thread, archived=True)
        await bot.sent(await bot.post(thread, "one"))
        assert not metadata(thread)["archived"]
        await set_metadata(world.fake, thread, archived=True, locked=True)
        told = await bot.ended(await bot.post(thread, "two"))
        assert told.state == "never" and "locked" in told.reason


async def test_a_reply_stands_under_its_message_and_tells_nobody(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        asked = await world.fake.user("alice").say("why?", channel)
        key = await bot.post(channel, reply_to=asked["id"])
        await bot.sent(key)
        [message] = bot.made(channel, key)
        assert message.json["referenced_message"]["id"] == asked["id"]
        assert message.pings == set()


@pytest.mark.parametrize("why", ["deleted", "no history"])
async def test_a_reply_that_cannot_be_one_is_a_message(world: World, why: str) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        asked = await world.fake.user("alice").say("why?", channel)
        if why == "deleted":
            await world.fake.messages.delete(world.fake.messages.find(asked["id"]))
        else:
            await world.fake.deny(channel, "read_message_history")
        key = await bot.post(channel, reply_to=asked["id"])
        await bot.sent(key)
        assert "referenced_message" not in bot.made(channel, key)[0].json


async def test_the_role_alone_is_told_whatever_the_text_says(world: World) -> None:
    channel, role = world.fake.home.channel("general"), world.fake.home.role("contributors")
    other = world.fake.home.role("moderators")
    alice = world.fake.user("alice")
    evil = f"@everyone @here <@{alice.id}> <@&{other.id}>"
    card = Card(title=evil, url="https://a.example", lines=(evil,), note=evil,
                links=((evil, "https://a.example"),))  # fmt: skip
    async with posting(world) as bot:
        key = await bot.post(channel, card=card, mention_role=role.id)
        told = await bot.sent(key)
        [message] = bot.made(channel, key)
        assert message.pings == {f"role:{role.id}"}
        assert message_text(message.json).startswith(f"<@&{role.id}>\n")
        edit = await bot.edit(told, key.replace("new", "edit:1"), mention_role=role.id)
        await bot.sent(edit)
        assert message.events[-1].kind == "edit" and not message.events[-1].pings
        assert message_text(message.json).startswith(f"<@&{role.id}>\n")


async def test_a_role_that_may_not_be_mentioned_is_told_of_and_the_post_stands(
    world: World,
) -> None:
    channel, role = world.fake.home.channel("general"), world.fake.home.role("contributors")
    async with posting(world) as bot:
        await world.fake.deny(channel, "mention_everyone")
        for key in ("one", "two"):
            await bot.sent(await bot.post(channel, key, mention_role=role.id))
        assert [t[2] for t in bot.troubles] == [("Mention @everyone, @here, and All Roles",)]
        role.mentionable = True
        await world.fake.allow_role(role, world.fake.home)
        key = await bot.post(channel, "three", mention_role=role.id)
        await bot.sent(key)
        assert bot.made(channel, key)[0].pings == {f"role:{role.id}"}


async def test_a_deleted_role_is_left_out(world: World) -> None:
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        key = await bot.post(channel, mention_role=world.fake.new_id())
        await bot.sent(key)
        assert "<@&" not in message_text(bot.made(channel, key)[0].json)


@pytest.mark.parametrize("place", ["general", "help"])
@pytest.mark.parametrize("title", ["Attention", "[P] Attention"])
async def test_an_address_that_discord_does_not_take_costs_the_buttons_alone(
    world: World, place: str, title: str
) -> None:
    where = world.fake.home.channel(place)
    path = "/channels/*/threads" if place == "help" else "/channels/*/messages"
    async with posting(world) as bot:
        world.fake.fault("POST", path, status=400, code=50035)
        key = await bot.post(where, card=CARD.model_copy(update={"title": title}))
        told = await bot.sent(key)
        [message] = bot.made(world.fake.channels[str(told.receipt["channel_id"])], key)
        assert links(message.json) == [] and "Attention" in message_text(message.json)
        world.fake.fault("POST", path, status=400, code=50035, times=9)
        ended = await bot.ended(await bot.post(where, "b:new"))
        assert ended.state == "never" and "refuses the post" in ended.reason


HOSTILE = {
    "long": "x" * 6_000,
    "words": "attention is all you need " * 250,
    "marks": "**_~~`||*" * 400,
    "right to left": "\u202e\u2066 gnp.exe \u200f" * 100,
    "towers": "Z\u0301\u0302\u0303\u0304\u0305" * 900,
    "emoji": "\U0001f9ee" * 2_500,
    "links": "[free](<https://evil.example#k2c=" + "A" * 22 + ">) " * 60,
    "blank": " \u200b\u3164 ",
    "fence": "```\n" * 500,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_text_pings_nobody_and_stays_in_limits(world: World, text: str) -> None:
    channel, role = world.fake.home.channel("general"), world.fake.home.role("contributors")
    card = Card(
        title=text, url="https://a.example/" + "p" * 300, lines=(text, text), note=text,
        links=((text, "https://a.example/x"), ("Bad", "javascript:alert(1)"),
               ("Long", "https://a.example/" + "q" * 600)),
    )  # fmt: skip
    async with posting(world) as bot:
        for place in (channel, forum(world)):
            key = await bot.post(place, card=card, mention_role=role.id)
            told = await bot.sent(key)
            stands = world.fake.channels[str(told.receipt["channel_id"])]
            [message] = bot.made(stands, key)
            assert message.pings == {f"role:{role.id}"}
            assert "https://a.example/x" in links(message.json)[-1]
            assert len(links(message.json)) <= 2
    # the world's end checks that Discord refused nothing
