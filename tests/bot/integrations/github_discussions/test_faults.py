"""What breaks on the way to GitHub: in the end everything is there exactly once."""

from __future__ import annotations

from typing import Any

import pytest

from bot.posting import marker
from tests.bot.integrations.github_discussions import effects
from tests.bot.integrations.github_discussions.conftest import World

BROKEN = ("502", "timeout", "reset", "truncated", "html", "partial")
CALLS = ("createDiscussion", "addDiscussionComment", "addLabelsToLabelable", "PUT contents")


@pytest.mark.slow
@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
@pytest.mark.parametrize("kind", BROKEN)
async def test_every_change_that_breaks_is_there_exactly_once_in_the_end(
    world: World, kind: Any, applied: bool
) -> None:
    world.settings["github_pictures"] = effects.PICTURES
    other = world.fake.add_discussion(title="Other", body="b")
    picture = effects.picture()
    faults = [world.fake.faults.add(name, kind, applied=applied) for name in CALLS]
    async with world.bot() as bot:
        await bot.enqueue(
            effects.post(), effects.comment(other.id), effects.labels(other.id, "kernels"), picture
        )
        told = await bot.ended("gh:a:new", "gh:a:comment", "gh:a:label:1", picture.key)
    assert [fault.hits for fault in faults] == [1, 1, 1, 1]
    assert [one.state for one in told] == ["sent"] * 4
    assert [d.title for d in world.fake.discussions] == ["Other", "A title"]
    assert len(other.comments) == 1 and other.labels == ["kernels"]
    assert [commit.path for commit in world.fake.store.commits] == [picture.payload["path"]]
    made = world.fake.discussions[1]
    assert told[0].receipt["url"] == made.url and told[1].receipt["id"] == other.comments[0].id


async def test_a_result_beside_an_error_is_taken_at_once(world: World) -> None:
    world.fake.faults.add("createDiscussion", "partial", applied=True)
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        (told,) = await bot.ended("gh:a:new")
    assert told.attempts == 1 and len(world.fake.mutations) == 1
    assert not any("repository.discussions" in call.names for call in world.fake.calls)


@pytest.mark.slow
async def test_lists_that_lag_double_nothing_within_the_grace(world: World) -> None:
    world.grace_s, world.fake.list_lag_s = 7.0, 5.0
    other = world.fake.add_discussion(title="Other", body="b")
    world.fake.faults.add("createDiscussion", "502", applied=True)
    world.fake.faults.add("addDiscussionComment", "reset", applied=True)
    async with world.bot() as bot:
        await bot.enqueue(effects.post(), effects.comment(other.id))
        told = await bot.ended("gh:a:new", "gh:a:comment")
    assert [one.state for one in told] == ["sent", "sent"]
    assert len(world.fake.discussions) == 2 and len(other.comments) == 1


@pytest.mark.slow
async def test_a_search_index_an_hour_behind_changes_nothing(world: World) -> None:
    world.fake.search_lag_s = 3600.0
    world.fake.faults.add("createDiscussion", "502", applied=True)
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        await bot.ended("gh:a:new")
    assert len(world.fake.discussions) == 1
    assert not any("search" in call.names for call in world.fake.calls)


@pytest.mark.slow
async def test_a_post_is_found_again_in_the_category_somebody_moved_it_to(world: World) -> None:
    world.fake.faults.add("createDiscussion", "502", applied=True)
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        await world.fake.wait_for(lambda: world.fake.discussions)
        world.fake.discussions[0].category = world.fake.category("Q&A")
        (told,) = await bot.ended("gh:a:new")
    assert len(world.fake.discussions) == 1 and told.receipt["category"] == "Q&A"


async def test_a_marker_that_somebody_else_pasted_is_not_ours(world: World) -> None:
    world.fake.faults.add("createDiscussion", "502", applied=False)
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        body = f"mine now\n\n{marker('gh:a:new')}"
        world.fake.add_discussion(title="Copied", body=body, author="mallory")
        (told,) = await bot.ended("gh:a:new")
    assert [d.title for d in world.fake.discussions] == ["Copied", "A title"]
    assert told.receipt["number"] == world.fake.discussions[1].number


@pytest.mark.slow
async def test_a_post_beyond_the_first_page_is_found(world: World) -> None:
    world.fake.faults.add("createDiscussion", "502", applied=True)
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        await world.fake.wait_for(lambda: world.fake.discussions)
        for n in range(120):
            world.fake.add_discussion(title=f"Later {n}", body="b")
        await bot.ended("gh:a:new")
    assert sum(1 for d in world.fake.discussions if d.author == "k2c-bot") == 1


@pytest.mark.slow
async def test_a_reply_whose_answer_was_lost_is_found_among_the_replies(world: World) -> None:
    other = world.fake.add_discussion(title="Other", body="b", comments=["first"])
    world.fake.faults.add("addDiscussionComment", "reset", applied=True)
    async with world.bot() as bot:
        await bot.enqueue(effects.comment(other.id, reply_to=other.comments[0].id))
        (told,) = await bot.ended("gh:a:comment")
    (reply,) = other.comments[0].replies
    assert told.receipt["id"] == reply.id


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_ends_in_the_middle_of_a_change_leaves_one_post(
    world: World, when: Any
) -> None:
    hold = world.fake.hold("createDiscussion", when)
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        await hold.reached()
    assert (await _state_after(world, hold.drop)).state == "sent"
    assert len(world.fake.discussions) == 1


async def _state_after(world: World, act: Any) -> Any:
    act()
    async with world.bot() as bot:
        return (await bot.ended("gh:a:new"))[0]


async def test_a_server_that_is_away_is_no_unknown_outcome(world: World) -> None:
    world.settings["github_api_base"] = "http://127.0.0.1:9"  # nobody listens there
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        told = await bot.put_off("gh:a:new", "cannot be reached")
        assert told.state == "waiting"


@pytest.mark.slow
async def test_the_loop_goes_on_while_github_hangs(world: World) -> None:
    world.fake.hang_s, world.timeout_s = 3.0, 60
    async with world.bot() as bot:
        world.fake.faults.add("createDiscussion", "timeout")
        await bot.enqueue(effects.post())
        await world.fake.wait_for(lambda: world.fake.mutations)
        assert not world.fake.mutations[0].ended, "the loop waited for the thread"
        await bot.ended("gh:a:new")
    assert len(world.fake.discussions) == 1
