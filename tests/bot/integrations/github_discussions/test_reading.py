"""What is read back from GitHub: our own posts, changes, comments, and files of repositories."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from bot.integrations.github_discussions.words import GitHubUnread
from bot.posting import marker
from content.sources.article import short_key
from tests.bot.integrations.github_discussions import effects
from tests.bot.integrations.github_discussions.conftest import World

pytestmark = pytest.mark.slow


async def test_all_posts_of_ours_are_adopted_and_nobody_else_s(world: World) -> None:
    fake = world.fake
    for n in range(60):  # three pages
        fake.add_discussion(title=f"Ours {n}", body=f"x\n\n{marker(f'a{n}')}", author="k2c-bot")
        fake.add_discussion(title="Theirs", body=f"x\n\n{marker('a1')}", author="mallory")
    talk = fake.add_discussion(title="Talk", body="b", author="alice", category="Q&A")
    for n in range(70):  # more comments than come with the list
        fake.comment(talk, f"c\n\n{marker(f'c{n}')}", "k2c-bot" if n % 2 else "bob")
    parent = talk.comments[0]
    for n in range(60):
        fake.comment(talk, f"r\n\n{marker(f'r{n}')}", "k2c-bot", parent)
    fake.comment(talk, "ours without a marker", "k2c-bot")
    async with world.bot(start=False) as bot:
        found = await bot.service.adopt()
    posts = {one.key_short: one for one in found if one.kind == "discussion"}
    comments = {one.key_short for one in found if one.kind == "comment"}
    assert set(posts) == {short_key(f"a{n}") for n in range(60)}
    assert comments == {short_key(f"c{n}") for n in range(1, 70, 2)} | {
        short_key(f"r{n}") for n in range(60)
    }
    assert len(found) == 60 + 35 + 60
    one, made = posts[short_key("a7")], fake.discussions[14]
    assert (one.id, one.number, one.url, one.title, one.category) == (
        made.id, made.number, made.url, "Ours 7", "General",
    )  # fmt: skip
    assert one.created_at == made.created_at.timestamp()


async def test_an_app_adopts_its_own_and_not_those_of_a_person_of_that_name(world: World) -> None:
    world.as_app()
    world.fake.login = "k2c-app"  # the fake takes whoever has the caller's login for the caller
    for by_app in (True, False):
        body = f"x\n\n{marker(f'a{by_app}')}"
        world.fake.add_discussion(title="T", body=body, author="k2c-app", by_app=by_app)
    async with world.bot(start=False) as bot:
        house = bot.service._house
        nodes = [{"author": {"__typename": kind, "login": "k2c-app"}} for kind in ("Bot", "User")]
        assert [house.wrote(node) for node in nodes] == [True, False]


async def test_adoption_does_not_guess_while_github_is_away(world: World) -> None:
    async with world.bot(start=False) as bot:
        world.fake.faults.add("repository", "502", times=9)
        with pytest.raises(GitHubUnread, match="502"):
            await bot.service.adopt()


async def test_changed_discussions_come_with_their_answer_and_newest_comment(
    world: World,
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    world.fake.now = lambda: long_ago
    world.fake.add_discussion(title="Old", body="b")
    for n in range(40):
        world.fake.add_discussion(title=f"Old {n}", body="b")
    world.fake.now = lambda: datetime.now(UTC)
    made = world.fake.add_discussion(title="New", body="b", category="Q&A", comments=["1", "2"])
    world.fake.mark_answer(made, made.comments[0])
    async with world.bot(start=False) as bot:
        (node,) = await bot.service.discussions_since(time.time() - 3600)
    assert (node["number"], node["category"]["name"]) == (made.number, "Q&A")
    assert node["answer"]["id"] == made.comments[0].id
    assert node["comments"]["totalCount"] == 2
    assert [one["body"] for one in node["comments"]["nodes"]] == ["2"]
    assert node["author"]["login"] == "alice" and node["closed"] is False


async def test_comments_come_with_all_their_replies(world: World) -> None:
    made = world.fake.add_discussion(title="T", body="b")
    for n in range(60):
        world.fake.comment(made, f"c{n}")
    for n in range(130):
        world.fake.comment(made, f"r{n}", "bob", made.comments[3])
    async with world.bot(start=False) as bot:
        found = await bot.service.comments_of(made.id)
    assert [one["body"] for one in found] == [one.body for one in made.all_comments()]
    replies = [one for one in found if one.get("replyTo")]
    assert {one["replyTo"]["id"] for one in replies} == {made.comments[3].id}
    assert len(replies) == 130


async def test_comments_of_what_was_deleted_are_a_sentence(world: World) -> None:
    async with world.bot(start=False) as bot:
        with pytest.raises(GitHubUnread):
            await bot.service.comments_of("D_kwDOnone")


async def test_categories_are_known_from_the_first_look_on(world: World) -> None:
    async with world.bot(start=False) as bot:
        assert bot.service.categories() == [c.name for c in world.fake.categories]
        assert "Q&A" in bot.service.categories()


async def test_the_look_is_repeated(world: World) -> None:
    world.hold_s = 0.1  # looks every 0.2 s
    async with world.bot() as bot:
        world.fake.add_category("Fresh")
        await world.fake.wait_for(lambda: "Fresh" in bot.service.categories())


REPO = "mlsystems/site"


async def test_files_below_a_path_are_listed_and_an_unchanged_tree_is_not_sent_again(
    world: World,
) -> None:
    world.fake.files.update({
        "src/content/posts/a.md": b"A", "src/content/posts/b/index.mdx": b"B",
        "src/content/postscript.md": b"no", "src/other.md": b"no",
    })  # fmt: skip
    async with world.bot(start=False) as bot:
        service = bot.service
        first = await service.tree(REPO, "main", "src/content/posts", "")
        again = await service.tree(REPO, "main", "src/content/posts", first.etag)
        world.fake.files["src/content/posts/a.md"] = b"A2"
        third = await service.tree(REPO, "", "src/content/posts/", first.etag)
        one = await service.tree(REPO, "main", "src/other.md", "")
        contents = [await service.blob(REPO, sha) for sha in third.files.values()]
    assert set(first.files) == {"src/content/posts/a.md", "src/content/posts/b/index.mdx"}
    assert again.unchanged and again.etag == first.etag and not again.files
    assert not third.unchanged and third.etag != first.etag and sorted(contents) == [b"A2", b"B"]
    assert set(one.files) == {"src/other.md"}


@pytest.mark.parametrize(
    ("repo", "branch", "sentence"),
    [
        (REPO, "gone", "shows no mlsystems/site@gone"),
        ("nobody/nothing", "main", "shows no nobody/nothing@main"),
        ("nobody/nothing", "", "shows no nobody/nothing "),
    ],
)
async def test_what_is_not_there_is_said(
    world: World, repo: str, branch: str, sentence: str
) -> None:
    async with world.bot(start=False) as bot:
        with pytest.raises(GitHubUnread, match=sentence):
            await bot.service.tree(repo, branch, "", "")


async def test_a_tree_that_is_too_large_to_list_is_said(world: World) -> None:
    world.fake.tree_limit = 1
    world.fake.files["b.md"] = b"x"
    async with world.bot(start=False) as bot:
        with pytest.raises(GitHubUnread, match="more files than GitHub lists"):
            await bot.service.tree(REPO, "main", "", "")


@pytest.mark.parametrize("kind", ["502", "reset", "truncated", "html", "403_retry_after"])
async def test_files_that_cannot_be_read_now_are_said(world: World, kind: str) -> None:
    async with world.bot(start=False) as bot:
        world.fake.faults.add("GET blobs", kind)  # type: ignore[arg-type]
        with pytest.raises(GitHubUnread, match=REPO):
            await bot.service.blob(REPO, "0" * 40)


@pytest.mark.slow
async def test_status_tells_who_what_and_the_last_error(world: World) -> None:
    world.fake.faults.add("createDiscussion", "502")
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        await bot.ended("gh:a:new")
        status = bot.service.status()
    assert (status.repository, status.login, status.problem) == (REPO, "k2c-bot", "")
    assert status.last_error == "GitHub answered 502: Server Error"
    assert abs(time.time() - status.last_error_at) < 60 and status.waiting == 0
