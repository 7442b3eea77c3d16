"""The message menu "Post to Discussions": one message or a whole thread, with the real client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.outbox import Later
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.discussing import Posting
from tests.bot.integrations.discord_client.homes import two_homes
from tests.bot.integrations.discord_client.messages import custom_ids, labels, links
from tests.bot.integrations.discuss.github import until
from tests.fakes.discord import FakeDiscord, Reply
from tests.fakes.discord.messages import Upload
from tests.fakes.discord.reply import message_text

MENU = "Post to Discussions"
GO_ON = "Title and category"
LINK = "https://github.com/mlsystems/site/discussions/41"


@pytest.fixture
def posting(world: World) -> Posting:
    return Posting(world)


@pytest.fixture
async def reading(posting: Posting) -> AsyncIterator[Posting]:
    """A bot whose operator enabled the message-content intent."""
    async with FakeDiscord(privileged=True) as fake:
        posting.world.fake = fake
        posting.world.settings["read_messages"] = "on"
        yield posting
        assert fake.violations == []


async def chosen(posting: Posting, message: dict[str, Any], name: str = "alice") -> Reply:
    """The preview of a message."""
    return await posting.member(name).message_menu(MENU, message)


async def sent(posting: Posting, preview: Reply, **values: object) -> Reply:
    """Go on from the preview and send the form."""
    form = (await posting.member().click(preview.message, GO_ON)).modal
    reply = await posting.member().submit(form, values)
    await reply.finished(lambda r: "It is in Discussions" in r.text)
    return reply


def replies(posting: Posting) -> list[dict[str, Any]]:
    """What the bot answered under messages."""
    found = (m.json for m in posting.world.fake.messages.by_id.values())
    return [m for m in found if m.get("message_reference")]


async def test_a_message_becomes_a_discussion_and_gets_the_link_as_a_reply(
    posting: Posting,
) -> None:
    async with posting.bot():
        bob = posting.world.fake.user("bob")
        said = await bob.say("Is **fp8** worth it?\nAsk @everyone, see #12")
        preview = await chosen(posting, said)
        assert preview.ephemeral and labels(preview.message) == [GO_ON]
        assert "**Bob**" in preview.text and "in #general" in preview.text
        form = (await posting.member().click(preview.message, GO_ON)).modal
        assert form.values == {"Title": "Is fp8 worth it?"}
        done = await sent(posting, preview, Title="Is fp8 worth it?", Category="Q&A")
        assert links(done.message) == [LINK]
        post = await posting.github.took()
        assert (post.title, post.category) == ("Is fp8 worth it?", "Q&A")
        jump = f"https://discord.com/channels/{posting.guild_id}/{said['channel_id']}/{said['id']}"
        assert post.body.startswith("**Bob** · [") and f"](<{jump}>)" in post.body
        assert "> Is **fp8** worth it?\n> Ask @\u200beveryone, see #\u200b12" in post.body
        assert "posted by **Alice**" in post.body
        await until(lambda: replies(posting))
        (reply,) = replies(posting)
        assert reply["message_reference"]["message_id"] == said["id"]
        assert any(url.startswith(LINK) for url in links(reply))
        assert reply["mentions"] == [] and "posted by Alice" in message_text(reply)


async def test_the_discussion_knows_the_message_it_came_from(posting: Posting) -> None:
    async with posting.bot():
        said = await posting.world.fake.user("bob").say("why?")
        await sent(posting, await chosen(posting, said))
        for name in (41, "41", "D_41"):
            origin = await posting.discussing.origin_of(name)
            assert origin is not None
            assert (origin.channel_id, origin.message_id) == (said["channel_id"], said["id"])
        assert await posting.discussing.origin_of(40) is None
        assert await posting.discussing.origin_of("") is None


async def test_an_answer_of_ours_is_posted_as_that_answer(posting: Posting) -> None:
    async with posting.bot():
        first = await posting.asked(gpus=3)
        form = (await posting.member().message_menu(MENU, first.message)).modal
        assert form.values["Title"] == "Pace: 30 requests/s on 3x h100"
        await posting.member().submit(form)
        assert "k2c pace --gpu h100 --gpus 3" in (await posting.github.took()).body
        said = await posting.world.fake.user("bob").say("why?")
        await sent(posting, await chosen(posting, said))
        await until(lambda: replies(posting))
        other = await posting.member().message_menu(MENU, replies(posting)[0])
        assert "no answer that could be posted" in other.text


async def test_the_menu_asks_for_the_same_right_and_is_offered_at_home_alone(
    posting: Posting,
) -> None:
    async with posting.bot():
        said = await posting.world.fake.user("bob").say("why?")
        refused = await posting.world.fake.user("bob").message_menu(MENU, said)
        assert refused.ephemeral and "and moderators" in refused.text
        assert [c["name"] for c in posting.world.fake.guild_commands[posting.guild_id]] == [MENU]
        assert MENU not in [c["name"] for c in posting.world.fake.commands]


async def test_a_message_is_posted_once_whoever_chooses_it(posting: Posting) -> None:
    async with posting.bot():
        said = await posting.world.fake.user("bob").say("why?")
        first, second = await chosen(posting, said), await chosen(posting, said)
        form = (await posting.member().click(second.message, GO_ON)).modal
        await sent(posting, first)
        late = await posting.member().submit(form)
        await late.finished(lambda r: links(r.message) == [LINK])
        again = await chosen(posting, said, "carol")
        assert links(again.message) == [LINK] and len(posting.github.posts) == 1


async def test_a_preview_from_before_a_restart_can_still_be_posted(posting: Posting) -> None:
    async with posting.bot():
        said = await posting.world.fake.user("bob").say("why?")
        preview = await chosen(posting, said)
    async with posting.bot():
        await sent(posting, preview)
        assert "> why?" in (await posting.github.took()).body


async def test_the_reply_follows_a_post_that_github_took_later(posting: Posting) -> None:
    posting.github.error = Later("GitHub answers 503", 0.2)
    async with posting.bot():
        said = await posting.world.fake.user("bob").say("why?")
        preview = await chosen(posting, said)
        form = (await posting.member().click(preview.message, GO_ON)).modal
        await posting.member().submit(form)
        await until(lambda: posting.github.tries)
    posting.github.error = None
    async with posting.bot():
        await posting.github.took()
        await until(lambda: replies(posting))
    async with posting.bot():
        assert len(replies(posting)) == len(posting.github.posts) == 1


async def test_a_token_that_is_not_known_is_answered_with_a_sentence(posting: Posting) -> None:
    async with posting.bot():
        said = await posting.world.fake.user("bob").say("why?")
        preview = await chosen(posting, said)
        token = custom_ids(preview.message)[0].split(":")[2]
        for action in ("chat", "say"):
            crafted = f"k2c:{action}:{token[::-1]}"
            reply = await posting.member().press_unseen(preview.message, crafted)
            assert "Choose it again" in reply.text


async def test_what_was_said_in_one_home_server_is_not_posted_from_another(
    posting: Posting,
) -> None:
    other = two_homes(posting.world)
    async with posting.bot():
        moderator = posting.world.fake.user("mod", roles=("moderators",))
        answer = await posting.asked()
        answer_id = custom_ids(answer.message)[0].split(":")[2]
        said = await posting.world.fake.user("bob").say("why?")
        preview = await chosen(posting, said)
        token = custom_ids(preview.message)[0].split(":")[2]
        there = await moderator.slash("pace", {"gpu": "h100"}, guild=other)
        await there.edited()
        for action in ("chat", "say"):
            reply = await moderator.press_unseen(there.message, f"k2c:{action}:{token}")
            assert "Choose it again" in reply.text
        for action in ("discuss", "post"):
            reply = await moderator.press_unseen(there.message, f"k2c:{action}:{answer_id}")
            assert "no answer that could be posted" in reply.text
        assert posting.github.tries == 0 and not posting.github.posts


async def test_a_message_without_words_has_nothing_to_post_and_files_are_named(
    posting: Posting,
) -> None:
    async with posting.bot():
        bob = posting.world.fake.user("bob")
        empty = await posting.member().message_menu(MENU, await bob.say("\u00a0 "))
        assert "nothing in that message" in empty.text
        file = Upload("a `plot`.png", b"png", "image/png")
        preview = await chosen(posting, await bob.say("", files=(file,)))
        assert "Attached: a__plot_.png" in preview.text.replace("\\", "")
        await sent(posting, preview, Title="A plot")
        body = (await posting.github.took()).body
        assert "`a__plot_.png`" in body and "cdn" not in body and "attachments/" not in body


async def test_hostile_words_reach_github_as_words(posting: Posting) -> None:
    async with posting.bot():
        mallory = posting.world.fake.user("@org/team")
        said = await mallory.say(
            "<!-- k2c:post key=AAAAAAAAAAAAAAAAAAAAAA -->\n<script>x</script>\n```\n"
            "<!-- k2c:post key=BBBBBBBBBBBBBBBBBBBBBB -->\n" + "`" * 40
        )
        await sent(posting, await chosen(posting, said), Title="@org/team closes #1 <b>")
        post = await posting.github.took()
        assert "<!--" not in post.body and "k2c:post" not in post.body
        assert "@org" not in post.body and "<script" not in post.body
        assert "@org" not in post.title and "#1" not in post.title


async def test_without_the_intent_a_thread_is_not_offered_and_the_reason_is_given(
    posting: Posting,
) -> None:
    async with posting.bot():
        thread = posting.world.fake.home.channel("a-thread")
        bob = posting.world.fake.user("bob")
        await bob.say("first", thread)
        preview = await chosen(posting, await bob.say("second", thread))
        assert "K2C_READ_MESSAGES=on" in preview.text.replace("\\", "")
        form = (await posting.member().click(preview.message, GO_ON)).modal
        assert len(form.json["components"]) == 2
        await sent(posting, preview)
        assert "first" not in (await posting.github.took()).body


async def test_with_the_intent_the_whole_thread_can_be_posted(reading: Posting) -> None:
    async with reading.bot():
        thread = reading.world.fake.home.channel("a-thread")
        bob, carol = reading.world.fake.user("bob"), reading.world.fake.user("carol")
        await bob.say(f"first, {carol.mention}?", thread)
        said = await carol.say("second", thread)
        await bob.say("third", thread)
        preview = await chosen(reading, said)
        await preview.finished(lambda r: not r.thinking and labels(r.message))
        assert preview.deferred and "whole thread: 3 messages, by Bob, Carol" in preview.text
        form = (await reading.member().click(preview.message, GO_ON)).modal
        assert form.values["Title"] == "a-thread"
        done = await reading.member().submit(form, {"What to post": "thread"})
        await done.finished(lambda r: links(r.message) == [LINK])
        body = (await reading.github.took()).body
        assert body.index("> first, **Carol**?") < body.index("> second") < body.index("> third")
        assert "the whole thread, posted by **Alice**" in body
        assert done.pings == set()


async def test_with_the_intent_one_message_can_still_be_posted(reading: Posting) -> None:
    async with reading.bot():
        thread = reading.world.fake.home.channel("a-post")
        bob = reading.world.fake.user("bob")
        await bob.say("first", thread)
        preview = await chosen(reading, await bob.say("second", thread))
        await preview.finished(lambda r: not r.thinking and labels(r.message))
        await sent(reading, preview, Title="Just this")
        body = (await reading.github.took()).body
        assert "> second" in body and "first" not in body


async def test_a_thread_that_may_not_be_read_says_so(reading: Posting) -> None:
    async with reading.bot():
        thread = reading.world.fake.home.channel("a-thread")
        bob = reading.world.fake.user("bob")
        await bob.say("first", thread)
        said = await bob.say("second", thread)
        await reading.world.fake.deny(thread, "read_message_history")
        preview = await chosen(reading, said)
        await preview.finished(lambda r: "Read Message History" in r.text)
        assert labels(preview.message) == [GO_ON]


async def test_an_intent_that_discord_refuses_stops_the_bot_with_a_sentence(world: World) -> None:
    world.settings["read_messages"] = "on"
    async with world.bot(wait=False) as bot:
        with pytest.raises(Exception, match="K2C_READ_MESSAGES=off"):
            await bot.running
