"""What people do on GitHub is one notice in Discord, kept in step, whatever way it was heard of."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from bot.community.words import ChannelSetting
from bot.integrations.conversation.ledger import (
    EDIT_EVERY_S,
    FRESH_S,
    GATHER_S,
    NOTICES_S,
    untold_answers,
)
from tests.bot.integrations.conversation.parts import GUILD, MARKED, OURS, Origin, World, a_world
from tests.fakes.github import FakeGitHub


async def test_a_question_its_comments_and_its_answer_are_one_message(world: World) -> None:
    asked = world.github.add_discussion(title="Why fp8?", body="It **is** odd.", category="Q&A")
    assert await world.event("discussion.created", asked, "g1")
    assert not await world.told()
    (card,) = world.discord.messages.values()
    assert card.title == "Why fp8?" and card.lines == ("It is odd.",)
    assert card.note == "Q&A \u00b7 by alice" and card.links == (("Open", asked.url),)

    said = world.github.comment(asked, "Because of *bandwidth*.", "bob")
    await world.event("discussion_comment.created", asked, "g2", said)
    await world.told(EDIT_EVERY_S)
    (card,) = world.discord.messages.values()
    assert card.lines == ("It is odd.", "bob: Because of *bandwidth*.")
    assert card.note.endswith("1 comment")

    world.github.mark_answer(asked, said)
    await world.event("discussion.answered", asked, "g3")
    await world.told(EDIT_EVERY_S)
    (card,) = world.discord.messages.values()
    assert card.lines[-1].startswith("Answered by bob: Because")
    assert card.note.endswith("answered") and card.links == (("Read the answer", said.url),)
    assert len(world.discord.posts) == 1 and len(world.discord.edits) == 2


async def test_a_delivery_that_comes_again_tells_nothing_new(world: World) -> None:
    asked = world.github.add_discussion(title="Why?", body="x")
    assert await world.event("discussion.created", asked, "g1")
    assert not await world.event("discussion.created", asked, "g1")
    assert await world.event("discussion.created", asked, "another id, the same delivery")
    await world.told()
    await world.event("discussion.created", asked, "g3")
    await world.told(EDIT_EVERY_S)
    assert world.seen() == ["Why?"] and world.discord.edits == []


async def test_an_edit_that_overtakes_its_creation_is_right_in_the_end(world: World) -> None:
    asked = world.github.add_discussion(title="Wyh?", body="x")
    created = world.github.event("discussion.created", asked)
    world.now[0] += 5
    asked.title, asked.updated_at = "Why?", world.github.now()
    await world.event("discussion.edited", asked, "g2")
    await world.told()
    await world.talk.take("discussion", "created", created, "g1")
    await world.told(EDIT_EVERY_S)
    assert world.seen() == ["Why?"]


async def test_what_we_posted_ourselves_is_no_news_but_what_people_say_of_it_is(
    world: World,
) -> None:
    ours = world.github.add_discussion(title="The article", body=MARKED, author=OURS)
    app = world.github.add_discussion(title="By the app", body=MARKED, author=OURS, by_app=True)
    for place in range(50):
        for one in (ours, app):
            said = world.github.comment(one, MARKED, OURS)
            await world.event("discussion.created", one, f"c{place}{one.number}")
            await world.event("discussion_comment.created", one, f"d{place}{one.number}", said)
    await world.told()
    assert world.seen() == []
    said = world.github.comment(ours, "I disagree.", "bob")
    await world.event("discussion_comment.created", ours, "people", said)
    await world.told()
    (card,) = world.discord.messages.values()
    assert card.title == "The article" and card.lines == ("bob: I disagree.",)


async def test_a_person_may_paste_our_marker_and_use_our_account(world: World) -> None:
    pasted = world.github.add_discussion(title="Pasted", body=MARKED, author="mallory")
    typed = world.github.add_discussion(title="Typed", body="by hand", author=OURS)
    await world.event("discussion.created", pasted, "g1")
    await world.event("discussion.created", typed, "g2")
    await world.told()
    assert world.seen() == ["Pasted", "Typed"]


async def test_what_no_delivery_told_of_is_found_in_the_list_once(world: World) -> None:
    missed = world.github.add_discussion(title="Missed", body="x", comments=["said"])
    heard = world.github.add_discussion(title="Heard", body="x")
    await world.event("discussion.created", heard, "g1")
    for _ in range(2):
        await world.talk.poll()
        await world.told(EDIT_EVERY_S)
    assert sorted(world.seen()) == ["Heard", "Missed"]
    world.github.mark_answer(missed, missed.comments[0])
    await world.talk.poll()
    await world.told(EDIT_EVERY_S)
    await world.event("discussion.answered", missed, "late")
    await world.told(EDIT_EVERY_S)
    assert len(world.discord.posts) == 2
    assert len([e for e in world.discord.edits if e.card.title == "Missed"]) == 1


async def test_the_first_start_tells_nothing_old(tmp_path: Path) -> None:
    async with FakeGitHub() as github:
        old = github.add_discussion(title="Old", body="x", comments=["long ago"])
        async with a_world(tmp_path, github) as world:
            world.now[0] += 60
            await world.talk.poll()
            await world.event("discussion.edited", old, "g1")
            await world.told()
            assert world.seen() == []
            said = world.github.comment(old, "again", "bob")
            await world.event("discussion_comment.created", old, "g2", said)
            await world.told()
            assert world.seen() == ["Old"]


async def test_a_restart_tells_what_the_last_process_had_kept(tmp_path: Path) -> None:
    async with FakeGitHub() as github:
        async with a_world(tmp_path, github) as world:
            await world.talk.poll()
            asked = github.add_discussion(title="Why?", body="x")
            await world.event("discussion.created", asked, "g1")
        async with a_world(tmp_path, github) as world:
            await world.told()
            assert world.seen() == ["Why?"]


async def test_many_at_once_are_gathered(world: World) -> None:
    for number in range(25):
        asked = world.github.add_discussion(title=f"Q{number}", body="x")
        await world.event("discussion.created", asked, f"g{number}")
    assert not await world.told()
    assert len(world.discord.posts) == 3
    assert [len(card.links) for card in world.discord.messages.values()] == [10, 10, 5]
    late = world.github.add_discussion(title="One more", body="x")
    await world.event("discussion.created", late, "late")
    assert await world.told() and len(world.discord.posts) == 3
    assert not await world.told(GATHER_S + 1) and world.seen()[-1] == "One more"


async def test_a_lively_thread_is_few_edits(world: World) -> None:
    asked = world.github.add_discussion(title="Why?", body="x")
    await world.event("discussion.created", asked, "g")
    await world.told()
    for place in range(30):
        said = world.github.comment(asked, f"no {place}", "bob")
        await world.event("discussion_comment.created", asked, f"g{place}", said)
        await world.told(1)
    await world.told(EDIT_EVERY_S)
    (card,) = world.discord.messages.values()
    assert card.lines[-1] == "bob: no 29" and "30 comments" in card.note
    assert len(world.discord.posts) == 1 and len(world.discord.edits) <= 4


async def test_news_on_an_old_notice_get_a_new_one(world: World) -> None:
    asked = world.github.add_discussion(title="Why?", body="x")
    await world.event("discussion.created", asked, "g1")
    await world.told()
    world.now[0] += FRESH_S + 60
    asked.title, asked.updated_at = "Why not?", world.github.now()
    await world.event("discussion.edited", asked, "g2")
    await world.told()
    assert world.seen() == ["Why not?"]  # an edit alone is no news
    said = world.github.comment(asked, "at last", "bob")
    await world.event("discussion_comment.created", asked, "g3", said)
    await world.told()
    assert world.seen() == ["Why not?", "Why not?"]


async def test_news_after_the_first_notice_is_forgotten_are_told_too(world: World) -> None:
    asked = world.github.add_discussion(title="Why?", body="x")
    await world.event("discussion.created", asked)
    await world.told()
    world.now[0] += NOTICES_S + 1
    await world.talk.poll()  # forgets old notices; what was posted under their keys stays posted
    said = world.github.comment(asked, "Still odd.", "bob")
    await world.event("discussion_comment.created", asked, comment=said)
    await world.told()
    assert world.seen() == ["Why?", "Why?"]
    (_, card) = world.discord.messages.values()
    assert card.lines[-1] == "bob: Still odd."


async def test_each_channel_hears_of_its_topic(world: World) -> None:
    world.community.settings = [
        ChannelSetting(GUILD, "discussions", "100"),
        ChannelSetting(GUILD, "discussions", "200", topic="quantization"),
        ChannelSetting("2", "discussions", "300", topic="agents"),
        ChannelSetting("2", "announcements", "400"),
    ]
    world.community.categories = {"agents": "Q&A"}
    for place, category in enumerate(("Quantization", "Q&A", "General", "Agents")):
        asked = world.github.add_discussion(title=category, body="x", category=category)
        await world.event("discussion.created", asked, f"g{place}")
    world.now[0] += GATHER_S
    while await world.told(GATHER_S + 1):
        pass
    heard = {
        channel: [p.card.title for p in world.discord.posts if p.channel_id == channel]
        for channel in ("200", "300", "400")
    }
    assert heard == {"200": ["Quantization"], "300": ["Q&A"], "400": []}


async def test_with_no_channel_nothing_is_saved_up(world: World) -> None:
    world.community.settings = []
    asked = world.github.add_discussion(title="Why?", body="x")
    await world.event("discussion.created", asked, "g1")
    await world.told()
    world.community.settings = [ChannelSetting(GUILD, "discussions", "100")]
    world.now[0] += 5
    asked.title, asked.updated_at = "Why so?", world.github.now()
    await world.event("discussion.edited", asked, "g2")
    await world.told()
    assert world.seen() == []


@pytest.mark.parametrize("action", ["deleted", "transferred"])
async def test_what_is_gone_says_so(world: World, action: str) -> None:
    asked = world.github.add_discussion(title="Why?", body="x")
    await world.event("discussion.created", asked, "g1")
    await world.told()
    payload = world.github.event("discussion.created", asked) | {"action": action}
    await world.talk.take("discussion", action, payload, "g2")
    await world.event("discussion.edited", asked, "g3")  # comes late: gone is gone
    await world.told(EDIT_EVERY_S)
    (card,) = world.discord.messages.values()
    assert card.tone == "notice" and card.note.split(" \u00b7 ")[-1] in (
        "deleted",
        "moved to another repository",
    )


async def test_an_answer_is_brought_to_the_message_it_was_asked_in(world: World) -> None:
    ours = world.github.add_discussion(title="From Discord", body=MARKED, author=OURS)
    world.origins[ours.number] = Origin()
    said = world.github.comment(ours, "Use fp8.", "bob")
    world.github.mark_answer(ours, said)
    for guid in ("g1", "g2"):
        await world.event("discussion.answered", ours, guid)
        await world.told(EDIT_EVERY_S)
    (reply,) = [p for p in world.discord.posts if p.reply_to]
    assert (reply.channel_id, reply.reply_to) == ("55", "66")
    assert reply.card.lines == ("Use fp8.",) and "bob" in reply.card.title
    other = world.github.comment(ours, "No, bf16.", "carol")
    world.now[0] += 5
    world.github.mark_answer(ours, other)
    await world.event("discussion.answered", ours, "g3")
    await world.told(EDIT_EVERY_S)
    assert [p.card.lines for p in world.discord.posts if p.reply_to] == [
        ("Use fp8.",),
        ("No, bf16.",),
    ]


async def test_an_answer_that_is_accepted_while_another_is_brought_is_brought_too(
    world: World,
) -> None:
    """The first was read, and its message is looked for, when the second comes."""
    ours = world.github.add_discussion(title="From Discord", body=MARKED, author=OURS)
    world.github.mark_answer(ours, world.github.comment(ours, "Use fp8.", "bob"))
    await world.event("discussion.answered", ours, "g1")
    looked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(number: int) -> Origin:
        looked.set()
        await go_on.wait()
        return Origin()

    world.talk._origin_of = slow
    bringing = asyncio.create_task(world.talk.flush())
    await asyncio.wait_for(looked.wait(), 30)
    world.now[0] += 5
    world.github.mark_answer(ours, world.github.comment(ours, "No, bf16.", "carol"))
    await world.event("discussion.answered", ours, "g2")
    go_on.set()
    await bringing
    await world.told(EDIT_EVERY_S)
    assert [p.card.lines for p in world.discord.posts if p.reply_to] == [("No, bf16.",)]


async def test_an_answer_waits_for_a_post_whose_number_is_not_known_yet(world: World) -> None:
    """GitHub has the Discussion, its reply got lost, and somebody answers before it is found."""
    ours = world.github.add_discussion(title="From Discord", body=MARKED, author=OURS)
    theirs = world.github.add_discussion(title="Theirs", body="x", author="bob")
    origin_of, found = world.talk._origin_of, False

    async def not_yet(number: int) -> Origin | None:
        if not found:
            raise LookupError(number)
        assert origin_of is not None
        return await origin_of(number)  # type: ignore[return-value]

    world.talk._origin_of = not_yet
    for guid, asked in (("g1", ours), ("g2", theirs)):
        world.github.mark_answer(asked, world.github.comment(asked, "Use fp8.", "carol"))
        await world.event("discussion.answered", asked, guid)
    assert await world.talk.flush()
    assert [one.title for one in await world.store.read(untold_answers)] == ["From Discord"]
    found, world.origins[ours.number] = True, Origin()
    await world.told(EDIT_EVERY_S)
    assert [p.reply_to for p in world.discord.posts if p.reply_to] == ["66"]
    assert await world.store.read(untold_answers) == []


async def test_whoever_looks_first_says_since_when_discussions_are_known(tmp_path: Path) -> None:
    """A delivery comes with the first look: neither finds a time yet, and only one is kept."""
    async with FakeGitHub() as github, a_world(tmp_path, github) as world:
        times = itertools.count(world.now[0])
        world.talk._clock = lambda: next(times)
        first, second = await asyncio.gather(world.talk._since_start(), world.talk._since_start())
        assert first == second == world.now[0]
        assert await world.store.fact("conversation.baseline") == str(first)


@pytest.mark.parametrize(
    "payload",
    [
        {}, {"discussion": None}, {"discussion": []}, {"discussion": {"number": "x"}},
        {"discussion": {"number": 1, "node_id": 1, "title": None, "html_url": "", "user": 3}},
    ],
)  # fmt: skip
async def test_a_payload_that_cannot_be_read_is_passed_over(world: World, payload: object) -> None:
    assert isinstance(payload, dict)
    assert not await world.talk.take("discussion", "created", payload, "g")
    assert not await world.told() and world.seen() == []


async def test_unknown_actions_and_values_are_passed_over(world: World) -> None:
    asked = world.github.add_discussion(title="Why?", body="x")
    payload = world.github.event("discussion.created", asked)
    for action in ("labeled", "pinned", "converted_by_aliens"):
        assert not await world.talk.take("discussion", action, payload, action)
    payload["discussion"] |= {"state": "converting", "user": None, "category": None, "new": 1}
    assert await world.talk.take("discussion", "created", payload, "g")
    await world.told()
    (card,) = world.discord.messages.values()
    assert card.note == "by ghost"
