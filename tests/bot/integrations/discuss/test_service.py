"""What is posted by whom, how often, and what survives a stop between any two steps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.community.words import By, CategorySetting, ChannelSetting, LimitSetting
from bot.discussing import Chat, Done, Wish
from bot.outbox import Effect, Later, Never, Receipt
from bot.posting import ChannelPost
from compute.tool import Refused
from content.sources.article import short_key
from tests.bot.integrations.discuss.github import until
from tests.bot.integrations.discuss.service import ALICE, BOB, HOME, WISH, Place, chat

MOD = By("9", "mod")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


async def test_a_result_is_posted_once_under_its_own_key(place: Place) -> None:
    async with place.open() as made:
        row = await made.result()
        asked = await made.discussing.post_result(row, WISH, ALICE)
        assert asked.key == f"gh:result:{row.id}:new"
        done = await made.end_of(asked)
        assert (done.state, done.number) == ("posted", 41) and done.url.endswith("/41")
        again = await made.discussing.post_result(row, Wish("Other", "Q&A"), BOB)
        assert again == done and len(place.github.posts) == 1
        origin = await made.discussing.origin_of(41)
        assert origin is not None
        assert (origin.guild_id, origin.channel_id, origin.message_id) == (HOME, "300", "400")


async def test_two_forms_sent_at_once_post_once_and_over_no_limit(place: Place) -> None:
    async with place.open() as made:
        await made.book.set(LimitSetting(HOME, "posts", 2, "day"), MOD)
        rows = [await made.result(gpus=n) for n in (1, 2, 3, 4)]
        posts = [made.discussing.post_result(row, WISH, ALICE) for row in (*rows, rows[0])]
        asked = await asyncio.gather(*posts)
        under_way = {one.key for one in asked if one.state == "posting"}
        assert len(under_way) == 2, "whichever came first"
        assert asked[0].state == asked[4].state and asked[0].key == asked[4].key
        for key in under_way:
            await made.discussing.ended(key, 10.0)
        assert len(place.github.posts) == 2


async def test_every_limit_counts_and_is_over_when_its_time_is(place: Place) -> None:
    now = [1.7e9]
    place.clock = lambda: now[0]
    async with place.open() as made:
        await made.book.set(LimitSetting(HOME, "posts", 1, "hour"), MOD)
        await made.book.set(LimitSetting(HOME, "posts", 2, "day"), MOD)
        assert await made.discussing.too_many(ALICE) == ""
        await made.discussing.post_result(await made.result(), WISH, ALICE)
        assert f"<t:{int(now[0]) + 3600}:R>" in await made.discussing.too_many(ALICE)
        assert await made.discussing.too_many(BOB) == ""
        now[0] += 3601
        await made.discussing.post_result(await made.result(), WISH, ALICE)
        now[0] += 3601
        assert f"<t:{int(1.7e9) + 86_400}:R>" in await made.discussing.too_many(ALICE)
    async with place.open() as made:
        assert await made.discussing.too_many(ALICE) != "", "a restart forgets nobody's posts"


async def test_a_post_that_failed_counts_for_nothing_and_may_be_tried_again(place: Place) -> None:
    place.github.error = Never("the repository is archived")
    async with place.open() as made:
        await made.book.set(LimitSetting(HOME, "posts", 1, "day"), MOD)
        row = await made.result()
        asked = await made.discussing.post_result(row, WISH, ALICE)
        done = await made.end_of(asked)
        assert done.state == "failed" and "the repository is archived." in done.sentence
        place.github.error = None
        again = await made.discussing.post_result(row, WISH, ALICE)
        assert (await made.end_of(again)).state == "posted"


async def test_nothing_is_lost_by_a_stop_between_any_two_steps(place: Place) -> None:
    async with place.open(serve=False) as made:
        asked = await made.discussing.post_chat(chat(), WISH, ALICE)
        assert asked.state == "posting"
    async with place.open(serve=False) as made:
        ended = asyncio.Event()
        made.outbox.listen(lambda effect, told: ended.set())
        running = asyncio.create_task(made.outbox.run())
        await ended.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert place.discord.posts == {}, "its end was not written down yet"
    for _ in range(2):
        async with place.open() as made:
            await until(lambda: place.discord.posts)
            state = await made.discussing.state_of_chat("500")
            assert state is not None and state.state == "posted"
    (key,) = place.discord.posts
    assert key == "dc:300:chat:500:new" and len(place.github.posts) == 1
    post = place.discord.posts[key]
    assert (post["channel_id"], post["reply_to"], post["guild_id"]) == ("300", "500", HOME)


async def test_who_listens_is_told_and_an_answer_is_told_of_until_it_says_so(place: Place) -> None:
    heard: list[Done] = []
    async with place.open() as made:
        made.discussing.listen(heard.append)
        row = await made.result()
        await made.end_of(await made.discussing.post_result(row, WISH, ALICE))
        assert [(d.kind, d.about, d.asked.number) for d in heard] == [("result", row.id, 41)]
        assert [d.about for d in await made.discussing.untold()] == [row.id]
        await made.discussing.told(row.id)
        assert await made.discussing.untold() == []


async def test_a_posted_result_is_told_of_once_in_its_own_servers_channels(place: Place) -> None:
    async with place.open() as made:
        for setting in (
            ChannelSetting(HOME, "results", "700"),
            ChannelSetting(HOME, "results", "701", "quantization"),
            ChannelSetting(HOME, "results", "702", "quantization"),
            ChannelSetting(HOME, "results", "702", "inference"),
            CategorySetting(HOME, "inference", "General"),
            ChannelSetting(HOME, "announcements", "703"),
        ):
            await made.book.set(setting, MOD)
        row = await made.result()
        await made.end_of(await made.discussing.post_result(row, WISH, BOB, "Alice"))
        await until(lambda: len(place.discord.posts) == 2)
        keys = [f"dc:{channel}:result:{row.id}:new" for channel in ("700", "702")]
        assert sorted(place.discord.posts) == keys
        post = ChannelPost.model_validate(place.discord.posts[keys[0]])
        assert (post.channel_id, post.guild_id, post.purpose) == ("700", HOME, "results")
        assert post.card.title == "A title" and post.card.url.endswith("/41")
        assert post.card.note == "General · asked by Alice · posted by Bob"
        own = await made.result(gpus=2)
        await made.end_of(await made.discussing.post_result(own, WISH, ALICE))
        await until(lambda: len(place.discord.posts) == 4)
        post = ChannelPost.model_validate(place.discord.posts[f"dc:700:result:{own.id}:new"])
        assert post.card.note == "General · posted by Alice"
        await made.end_of(await made.discussing.post_chat(chat(), WISH, ALICE))
        await until(lambda: len(place.discord.posts) == 5)
        assert "dc:300:chat:500:new" in place.discord.posts, "a message has its reply, no card"


async def test_what_waits_says_why(place: Place) -> None:
    place.github.error = Later("GitHub answers 503", 0.1)
    async with place.open() as made:
        asked = await made.discussing.post_chat(chat(), WISH, ALICE)
        await until(lambda: place.github.tries > 1)
        state = await made.discussing.ended(asked.key, 0.05)
        assert state.state == "posting" and state.waits == "GitHub answers 503"


async def test_refusals_are_sentences(place: Place) -> None:
    async with place.open() as made:
        row = await made.result()
        nobody = replace(BOB, roles=())
        assert "and moderators" in (await made.discussing.post_result(row, WISH, nobody)).sentence
        assert made.discussing.may(HOME, (), True) == ""
        assert "no role has that right yet" in made.discussing.may("101", (), False)
        private = row.model_copy(update={"private": True})
        assert "private" in (await made.discussing.post_result(private, WISH, BOB)).sentence
        wrong = await made.discussing.post_result(row, Wish("x", "Nope"), ALICE)
        assert "no such category" in wrong.sentence
        refused = await made.result(gpu="h1000")
        with pytest.raises(Refused, match="finished answer"):
            await made.discussing.draft_of_result(refused)
        unfinished = await made.discussing.post_result(refused, WISH, ALICE)
        assert "finished answer" in unfinished.sentence
        await made.book.set(LimitSetting(HOME, "posts", 0, "hour"), MOD)
        none = await made.discussing.post_result(row, WISH, ALICE)
        assert none.state == "refused" and place.github.posts == {}


async def test_the_category_that_moderators_set_comes_first(place: Place) -> None:
    async with place.open() as made:
        row = await made.result()
        assert (await made.discussing.draft_of_result(row)).category == "General"
        await made.book.set(CategorySetting(HOME, "", "q&a"), MOD)
        draft = await made.discussing.draft_of_result(row)
        assert (draft.category, draft.categories[0]) == ("Q&A", "Announcements")
        place.categories = ["Ideas", "Show and tell"]
        assert (await made.discussing.draft_of_chat(chat())).category == "Show and tell"


async def test_a_kept_message_is_there_for_a_day(place: Place) -> None:
    now = [1.7e9]
    place.clock = lambda: now[0]
    async with place.open() as made:
        token = await made.discussing.keep_chat(chat("half a pair: \udc00 and \U0001f600"))
        kept = await made.discussing.chat_of(token)
        assert isinstance(kept, Chat) and "\U0001f600" in kept.message.content
        now[0] += 86_401
        assert await made.discussing.chat_of(token) is None
        await made.discussing.keep_chat(chat())
        count = "SELECT count(*) FROM discuss_drafts"
        assert (await made.store.read(lambda db: db.execute(count).fetchone()))[0] == 1


@dataclass
class Found:
    """A Discussion as the list on GitHub shows it."""

    key_short: str
    kind: str = "discussion"
    id: str = "D_7"
    number: int = 7
    url: str = "https://github.com/mlsystems/site/discussions/7"
    title: str = "Why?"
    category: str = "General"


async def test_after_a_lost_database_a_message_is_not_posted_again(place: Place) -> None:
    async with place.open() as made:
        await made.discussing.adopt([Found(short_key("gh:chat:500:new"))])
        await made.discussing.adopt([Found(short_key("gh:chat:500:new"))])
        asked = await made.discussing.post_chat(chat(), WISH, ALICE)
        assert (asked.state, asked.number) == ("posted", 7)
        other = chat(message=chat().message.model_copy(update={"id": "501"}))
        assert (await made.discussing.post_chat(other, WISH, ALICE)).state == "posting"


@pytest.mark.parametrize("stands", [True, False])
async def test_what_is_posted_before_github_told_what_stands_there_is_looked_for_first(
    place: Place, stands: bool
) -> None:
    """After a lost database a member may post again before everything was read."""
    looked: list[str] = []

    async def find(effect: Effect, since: float) -> Receipt | None:
        looked.append(effect.key)
        assert since == 0.0
        if effect.kind == "discord.post":
            return {"channel_id": "300", "message_id": "1"} if stands else None
        there: Receipt = {"id": "D_7", "number": 7, "url": "https://x/7", "category": "Q&A"}
        return there if stands else None

    place.github.find = place.discord.find = find  # type: ignore[method-assign]
    place.known = lambda: False
    async with place.open() as made:
        asked = await made.discussing.post_chat(chat(), WISH, ALICE)
        ended = await made.end_of(asked)
        assert ended.state == "posted" and looked[0] == asked.key
        key = "dc:300:chat:500:new"
        told = made.outbox.state_of
        async with asyncio.timeout(10):
            while (reply := await told(key)) is None or reply.state != "sent":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (key in place.discord.posts) == (not stands) == (ended.number != 7)


async def test_where_a_post_comes_from_is_open_until_its_number_is_known(place: Place) -> None:
    send, go_on = place.github.send, asyncio.Event()

    async def lost(effect: Effect) -> Receipt:
        await send(effect)
        raise OSError("the reply was lost")

    async def found(effect: Effect, since: float) -> Receipt | None:
        await go_on.wait()
        return {"id": "D_41", "number": 41, "url": "https://x/41", "category": "Q&A"}

    place.github.send, place.github.find = lost, found  # type: ignore[method-assign]
    async with place.open() as made:
        assert await made.discussing.origin_of(41) is None
        asked = await made.discussing.post_chat(chat(), WISH, ALICE)
        await place.github.took()
        with pytest.raises(LookupError):
            await made.discussing.origin_of(41)
        go_on.set()
        assert (await made.end_of(asked)).number == 41
        origin = await made.discussing.origin_of(41)
        assert origin is not None and origin.message_id == "500"
        assert await made.discussing.origin_of(42) is None


async def test_hostile_titles_call_nobody_and_fit(place: Place) -> None:
    async with place.open() as made:
        title = "@org/team closes #1 \u202eGH-2 " + "x" * 400
        asked = await made.discussing.post_chat(chat(), Wish(title, "General"), ALICE)
        await made.end_of(asked)
        posted = place.github.posts[asked.key].title
        assert len(posted) <= 256 and "@org" not in posted and "#1" not in posted
        assert "\u202e" not in posted
