"""The five kinds of effects as they should go: what GitHub holds then, and what is kept of it."""

from __future__ import annotations

import pytest

from bot.posting import marker
from tests.bot.integrations.github_discussions import effects
from tests.bot.integrations.github_discussions.conftest import World

pytestmark = pytest.mark.slow


async def test_a_discussion_ends_with_its_marker_and_its_receipt_leads_to_it(world: World) -> None:
    async with world.bot() as bot:
        await bot.enqueue(effects.post(body="Text\r\nmore", category="general"))
        (told,) = await bot.ended("gh:a:new")
    (made,) = world.fake.discussions
    assert made.body == f"Text\nmore\n\n{marker('gh:a:new')}"
    assert (made.title, made.category.name, made.author) == ("A title", "General", "k2c-bot")
    assert told.receipt == {
        "id": made.id, "number": made.number, "url": made.url, "category": "general",
    }  # fmt: skip


async def test_an_edit_keeps_the_marker_and_moves_the_discussion(world: World) -> None:
    made = world.fake.add_discussion(title="Old", body="old", author="k2c-bot")
    async with world.bot() as bot:
        await bot.enqueue(effects.edit(made.id, "gh:a:new", category="Announcements"))
        (told,) = await bot.ended("gh:a:edit:1")
    assert made.body == f"Other.\n\n{marker('gh:a:new')}" and made.title == "Another"
    assert made.category.name == "Announcements" and told.receipt == {"url": made.url}


async def test_an_edit_does_not_wait_for_a_category_that_is_not_there(world: World) -> None:
    made = world.fake.add_discussion(title="Old", body="old", author="k2c-bot")
    async with world.bot() as bot:
        await bot.enqueue(effects.edit(made.id, "gh:a:new", category="Nowhere"))
        await bot.ended("gh:a:edit:1")
    assert made.title == "Another" and made.category.name == "General"


async def test_only_labels_that_exist_are_set_whatever_their_case(world: World) -> None:
    world.fake.labels += [f"filler {n:03}" for n in range(120)]  # two pages of them
    made = world.fake.add_discussion(title="T", body="b")
    async with world.bot() as bot:
        await bot.enqueue(effects.labels(made.id, "Kernels", "unheard-of", "question"))
        (told,) = await bot.ended("gh:a:label:1")
    assert sorted(made.labels) == ["kernels", "question"]
    assert told.receipt == {"labels": ["kernels", "question"]}


async def test_labels_of_which_none_exists_ask_for_no_change(world: World) -> None:
    made = world.fake.add_discussion(title="T", body="b")
    async with world.bot() as bot:
        await bot.enqueue(effects.labels(made.id, "unheard-of"))
        (told,) = await bot.ended("gh:a:label:1")
    assert told.receipt == {"labels": []} and not world.fake.mutations


async def test_a_comment_and_a_reply_carry_their_markers(world: World) -> None:
    made = world.fake.add_discussion(title="T", body="b", comments=["first"])
    parent = made.comments[0]
    async with world.bot() as bot:
        await bot.enqueue(
            effects.comment(made.id, "c1"), effects.comment(made.id, "c2", reply_to=parent.id)
        )
        told = await bot.ended("c1", "c2")
    (reply,), own = parent.replies, made.comments[1]
    assert own.body == f"Said.\n\n{marker('c1')}" and reply.body == f"Said.\n\n{marker('c2')}"
    assert [one.receipt["id"] for one in told] == [own.id, reply.id]
    assert told[0].receipt["url"] == own.url


async def test_a_picture_is_stored_once_under_its_hash(world: World) -> None:
    world.settings["github_pictures"] = effects.PICTURES
    picture = effects.picture()
    path = str(picture.payload["path"])
    world.fake.files[path] = effects.PNG  # as another bot or an earlier database left it
    async with world.bot() as bot:
        await bot.enqueue(picture, effects.picture(b"other"))
        told = await bot.ended(picture.key, effects.picture(b"other").key)
    assert [told.state for told in told] == ["sent", "sent"]
    assert len(world.fake.store.commits) == 1 and world.fake.files[path] == effects.PNG
    assert told[0].receipt["url"] == f"{world.fake.api_base}/raw/mlsystems/site/main/{path}"


async def test_another_file_at_that_path_is_never_replaced(world: World) -> None:
    world.settings["github_pictures"] = effects.PICTURES
    world.fake.files["results/x.png"] = b"somebody's"
    picture = effects.picture(path="results/x.png")
    async with world.bot() as bot:
        await bot.enqueue(picture)
        (told,) = await bot.ended(picture.key)
    assert told.state == "never" and "another file" in told.reason
    assert world.fake.files["results/x.png"] == b"somebody's"


@pytest.mark.parametrize("path", ["../other/x.png", "a/../../x.png"])
async def test_a_picture_does_not_leave_its_repository(world: World, path: str) -> None:
    world.settings["github_pictures"] = effects.PICTURES
    picture = effects.picture(path=path)
    async with world.bot() as bot:
        await bot.enqueue(picture)
        (told,) = await bot.ended(picture.key)
    assert told.state == "never" and not world.fake.store.commits


async def test_without_a_picture_repository_pictures_are_given_up_with_a_reason(
    world: World,
) -> None:
    picture = effects.picture()
    async with world.bot() as bot:
        await bot.enqueue(picture)
        (told,) = await bot.ended(picture.key)
    assert told.state == "never" and "GITHUB_PICTURES" in told.reason


async def test_what_belongs_to_a_deleted_discussion_is_given_up(world: World) -> None:
    made = world.fake.add_discussion(title="T", body="b", author="k2c-bot")
    world.fake.discussions.remove(made)
    keys = ("gh:a:edit:1", "gh:a:label:1", "gh:a:comment")
    async with world.bot() as bot:
        await bot.enqueue(
            effects.edit(made.id, "k"), effects.labels(made.id, "kernels"),
            effects.comment(made.id),
        )  # fmt: skip
        told = await bot.ended(*keys)
    assert [(one.state, "deleted" in one.reason) for one in told] == [("never", True)] * 3


async def test_what_belongs_to_a_hidden_repository_waits_for_it(world: World) -> None:
    made = world.fake.add_discussion(title="T", body="b", author="k2c-bot")
    world.hold_s = 0.5
    async with world.bot() as bot:
        world.fake.hidden = True
        world.fake.discussions.remove(made)  # to an account without access nothing is there
        await bot.enqueue(effects.edit(made.id, "k"))
        await bot.put_off("gh:a:edit:1", "GitHub")
        world.fake.hidden = False
        world.fake.discussions.append(made)
        (told,) = await bot.ended("gh:a:edit:1")
    assert told.state == "sent" and made.title == "Another"


async def test_titles_and_bodies_over_the_limits_are_posted_cut(world: World) -> None:
    async with world.bot() as bot:
        await bot.enqueue(effects.post(title="t" * 257, body="word " * 20_000))
        (told,) = await bot.ended("gh:a:new")
    (made,) = world.fake.discussions
    assert told.state == "sent" and len(made.title) == 256 and made.title.endswith("…")
    assert 65_000 < len(made.body) <= 65_536 and made.body.endswith(marker("gh:a:new"))
