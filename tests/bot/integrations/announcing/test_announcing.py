"""New articles are announced once, everywhere, linked; old ones are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.integrations.announcing import service
from bot.posting import Card
from tests.bot.integrations.announcing.parts import (
    FORUM,
    NEWS,
    Outside,
    Rules,
    World,
    article,
    days_ago,
    world,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.1)
    monkeypatch.setattr(service, "FIND_S", 0.05)


def file(tmp_path: Path) -> Path:
    return tmp_path / "k2c.sqlite"


def card_of(effect: Any) -> Card:
    return Card.model_validate(effect.payload["card"])


async def announced(there: World, *slugs: str) -> None:
    """The articles are published and everything is done."""
    await there.look(article("old"))
    await there.look(article("old"), *(article(slug) for slug in slugs))
    await there.quiet()


async def test_what_was_there_before_is_never_announced(tmp_path: Path) -> None:
    async with world(file(tmp_path)) as there:
        await there.look(article("one"), article("two", date=days_ago(0.1)))
        await there.quiet()
        assert there.outside.done == []
    async with world(file(tmp_path), there.outside) as there:
        await there.look(article("one"), article("two", date=days_ago(0.1)))
        await there.quiet()
        assert there.outside.done == []


async def test_a_new_article_is_a_discussion_and_messages_that_link_to_each_other(
    tmp_path: Path,
) -> None:
    rules = Rules(pings={"inference": "77"})
    rules.add(NEWS, thread=True)
    rules.add(FORUM, topic="inference")
    rules.add("300", topic="training")
    outside = Outside(news={NEWS}, forums={FORUM})
    async with world(file(tmp_path), outside, rules) as there:
        await there.look(article("old"))
        await there.look(article("old"), article("moe-routing", tags=("moe", "kernels")))
        short = article("moe-routing").short_key
        await there.until(
            lambda: f"gh:{short}:edit:1" in outside.done_keys(), "the link to Discord"
        )
        await there.quiet()
    keys = outside.done_keys()
    assert sorted(keys) == sorted(
        [
            f"gh:{short}:new", f"gh:{short}:label:1", f"gh:{short}:edit:1",
            f"dc:{NEWS}:{short}:new", f"dc:{NEWS}:{short}:crosspost", f"dc:{NEWS}:{short}:thread",
            f"dc:{FORUM}:{short}:new",
        ]
    )  # fmt: skip
    assert keys[0] == f"gh:{short}:new"
    discussion = outside.of("github.discussion")[0].payload
    assert discussion["category"] == "Inference & Serving"
    assert discussion["title"] == "Moe routing"
    url = outside.receipt(outside.done[0])["url"]
    for message in outside.of("discord.post"):
        assert ("Discuss", url) in card_of(message).links
        assert card_of(message).note == "by lchen · 14 min · Inference & Serving"
        assert message.payload["mention_role"] == "77"
        assert message.payload["tags"] == ["Inference & Serving", "moe", "kernels"]
    edit = outside.of("github.edit")[0].payload
    thread = outside.of("discord.thread")[0]
    assert f"<{outside.receipt(thread)['url']}>" in str(edit["body"])
    assert str(edit["body"]).count("https://discord.com/channels") == 2
    assert outside.of("github.label")[0].payload["names"] == ["moe", "kernels"]


async def test_after_a_restart_nothing_is_done_again(tmp_path: Path) -> None:
    rules = Rules()
    rules.add(NEWS)
    async with world(file(tmp_path), rules=rules) as there:
        await announced(there, "new")
    before = there.outside.done_keys()
    async with world(file(tmp_path), there.outside, rules) as there:
        await there.look(article("old"), article("new"))
        await there.quiet()
    assert there.outside.done_keys() == before and len(before) == 3


async def test_an_edited_article_edits_both_and_posts_nothing(tmp_path: Path) -> None:
    rules = Rules()
    rules.add(NEWS)
    async with world(file(tmp_path), rules=rules) as there:
        await announced(there, "new")
        count = len(there.outside.done)
        await there.look(article("old"), article("new", title="Better", topic="training"))
        await there.quiet()
        edits = there.outside.done[count:]
        assert sorted(edit.kind for edit in edits) == ["discord.edit", "github.edit"]
        by_kind = {edit.kind: edit.payload for edit in edits}
        assert by_kind["github.edit"]["title"] == "Better"
        assert by_kind["github.edit"]["category"] == "Announcements"  # Training has none here
        assert by_kind["github.edit"]["key"].endswith(":new")  # type: ignore[union-attr]
        assert Card.model_validate(by_kind["discord.edit"]["card"]).title == "Better"
        await there.look(article("old"), article("new", title="Better", topic="training"))
        await there.quiet()
        assert len(there.outside.done) == count + 2


async def test_withdrawn_and_published_again_both_say_so(tmp_path: Path) -> None:
    rules = Rules()
    rules.add(NEWS)
    async with world(file(tmp_path), rules=rules) as there:
        await announced(there, "new")
        count = len(there.outside.done)
        await there.look(article("old"), article("new", state="draft"))
        await there.quiet()
        taken = {effect.kind: effect.payload for effect in there.outside.done[count:]}
        assert set(taken) == {"discord.edit", "github.edit"}
        assert str(taken["github.edit"]["title"]).startswith("Withdrawn: ")
        assert "**Withdrawn.**" in str(taken["github.edit"]["body"])
        assert Card.model_validate(taken["discord.edit"]["card"]).title == "Withdrawn: New"
        await there.look(article("old"), article("new"))
        await there.quiet()
        back = {effect.kind: effect.payload for effect in there.outside.done[count + 2 :]}
        assert set(back) == {"discord.edit", "github.edit"}
        assert back["github.edit"]["title"] == "New"


async def test_a_file_that_is_gone_is_withdrawn_and_half_of_them_are_a_mistake(
    tmp_path: Path,
) -> None:
    rules = Rules()
    rules.add(NEWS)
    rules.add("900", "moderators")
    async with world(file(tmp_path), rules=rules) as there:
        await announced(there, "a", "b", "c")
        count = len(there.outside.done)
        await there.look(article("old"))
        await there.quiet()
        (told,) = there.outside.done[count:]
        assert told.payload["purpose"] == "moderators"
        assert "3 of its 4 articles are gone at once" in card_of(told).lines[0]
        await there.look(article("old"), article("b"), article("c"))
        await there.quiet()
        edits = there.outside.done[count + 1 :]
        assert {edit.kind for edit in edits} == {"discord.edit", "github.edit"}
        short = article("a").short_key
        assert all(short in edit.key for edit in edits) and len(edits) == 2


async def test_what_cannot_be_seen_now_is_not_withdrawn(tmp_path: Path) -> None:
    rules = Rules()
    rules.add(NEWS)
    async with world(file(tmp_path), rules=rules) as there:
        await announced(there, "a")
        count = len(there.outside.done)
        await there.look(article("old"), broken=frozenset({("posts", "posts/a.md")}))
        await there.look(failed=frozenset({"posts"}))
        await there.look(article("old"), feeds=frozenset({"posts"}))
        await there.quiet()
        assert len(there.outside.done) == count


async def test_a_source_that_fails_at_first_has_its_baseline_when_it_is_read(
    tmp_path: Path,
) -> None:
    async with world(file(tmp_path)) as there:
        await there.look(failed=frozenset({"posts"}))
        await there.look(article("one"), article("two"))
        await there.quiet()
        assert there.outside.done == []
        await there.look(article("one"), article("two"), article("three"))
        await there.until(lambda: len(there.outside.done) >= 1)


@pytest.mark.parametrize(
    "moved",
    [
        article("new", key="posts/renamed.md", url="https://mlsystems.dev/essays/new"),
        article("renamed", title="New"),
        article("new", url="https://blog.example/new", source="https://blog.example/feed.xml"),
    ],
)
async def test_a_renamed_file_or_moved_feed_posts_nothing_new(tmp_path: Path, moved: Any) -> None:
    rules = Rules()
    rules.add(NEWS)
    async with world(file(tmp_path), rules=rules) as there:
        await announced(there, "new")
        count = len(there.outside.done)
        await there.look(article("old"), moved)
        await there.quiet()
        assert {e.kind for e in there.outside.done[count:]} == {"discord.edit", "github.edit"}
        await there.look(article("old"), moved)
        await there.quiet()
        assert len(there.outside.done) == count + 2


async def test_an_old_address_may_be_used_again_by_another_article(tmp_path: Path) -> None:
    async with world(file(tmp_path), discord=False) as there:
        await announced(there, "new")
        moved = article("renamed", title="New")
        await there.look(article("old"), moved)
        await there.look(article("old"), moved, article("new", title="Another"))
        await there.quiet()
        titles = [effect.payload["title"] for effect in there.outside.of("github.discussion")]
        assert titles == ["New", "Another"]


async def test_one_that_is_due_later_waits_for_its_day(tmp_path: Path) -> None:
    due = datetime.now(UTC) + timedelta(hours=2)
    async with world(file(tmp_path), discord=False) as there:
        await there.look(article("old"), article("soon", date=due, state="future"))
        await there.quiet()
        assert there.outside.done == []
        there.later(7300)
        await there.until(lambda: len(there.outside.done) == 1)
        assert there.outside.done[0].payload["title"] == "Soon"


async def test_a_draft_is_announced_once_it_is_published(tmp_path: Path) -> None:
    async with world(file(tmp_path), discord=False) as there:
        await there.look(article("draft", state="draft"))
        await there.quiet()
        assert there.outside.done == []
        await there.look(article("draft"))
        await there.until(lambda: len(there.outside.done) == 1)


async def test_since_announces_what_was_there_from_that_day_on(tmp_path: Path) -> None:
    since = datetime(2026, 11, 10, tzinfo=UTC)
    early = article("early", date=datetime(2026, 11, 9, tzinfo=UTC))
    async with world(file(tmp_path), discord=False, since=since) as there:
        await there.look(early, article("late"), article("undated", date=None))
        await there.until(lambda: len(there.outside.done) == 1)
        await there.quiet()
        assert [e.payload["title"] for e in there.outside.done] == ["Late"]


async def test_github_down_for_ten_minutes_lets_the_message_go_and_links_it_later(
    tmp_path: Path,
) -> None:
    rules = Rules()
    rules.add(NEWS)
    outside = Outside(down={"github"})
    async with world(file(tmp_path), outside, rules) as there:
        await announced(there, "new")
        assert outside.done == []
        there.later(590)
        await there.quiet()
        assert outside.done == []
        there.later(20)
        await there.until(lambda: len(outside.done) == 1)
        assert card_of(outside.done[0]).links == (("Read", article("new").url),)
        outside.down.clear()
        there.later(400)
        await there.until(lambda: bool(outside.of("discord.edit")))
        await there.quiet()
        assert dict(card_of(outside.of("discord.edit")[0]).links)["Discuss"]
        assert "https://discord.com/channels" in str(
            (outside.of("github.edit") or outside.of("github.discussion"))[-1].payload["body"]
        )
        assert len(outside.of("discord.post")) == len(outside.of("github.discussion")) == 1


async def test_a_channel_added_later_gets_what_is_announced_after(tmp_path: Path) -> None:
    async with world(file(tmp_path)) as there:
        await announced(there, "new")
        there.rules.add(NEWS)
        await there.quiet()
        assert there.outside.of("discord.post") == []
        await there.look(article("old"), article("new"), article("newer"))
        await there.until(lambda: len(there.outside.of("discord.post")) == 1)
        there.rules.settings.clear()
        there.rules.changes += 1
        await there.quiet()
        count = len(there.outside.done)
        await there.look(article("old"), article("new"), article("newer", title="Edited"))
        await there.quiet()
        kinds = {effect.kind for effect in there.outside.done[count:]}
        assert kinds == {"discord.edit", "github.edit"}  # an old post stays in step


async def test_nothing_is_posted_in_a_place_before_it_is_known_what_stands_there(
    tmp_path: Path,
) -> None:
    answers: list[Exception] = [OSError("not connected"), OSError("not connected")]
    outside = Outside()

    async def unsure(channel_id: str) -> list[Any]:
        if answers:
            raise answers.pop()
        return await outside.messages(channel_id)

    rules = Rules()
    rules.add(NEWS)
    async with world(file(tmp_path), outside, rules, adopt_channel=unsure) as there:
        await announced(there, "new")
        assert outside.of("discord.post") == [] and len(outside.of("github.discussion")) == 1
        there.later(10)
        await there.until(lambda: not answers)
        assert outside.of("discord.post") == []
        there.later(10)
        await there.until(lambda: len(outside.of("discord.post")) == 1)


async def test_two_hundred_articles_are_planned_at_once_and_each_is_posted_once(
    tmp_path: Path,
) -> None:
    rules = Rules()
    rules.add(NEWS)
    slugs = [f"a{number}" for number in range(200)]
    async with world(file(tmp_path), rules=rules) as there:
        await there.look(article("old"))
        await there.look(article("old"), *(article(slug) for slug in slugs))
        await there.until(lambda: len(there.outside.of("github.edit")) == 200)
        await there.quiet()
    keys = there.outside.done_keys()
    assert len(keys) == len(set(keys)) == 600


async def test_without_any_place_an_article_waits_a_week_and_is_old_news_then(
    tmp_path: Path,
) -> None:
    async with world(file(tmp_path), github=False) as there:
        await announced(there, "new")
        there.later(8 * 86_400)
        await there.quiet()
        there.rules.add(NEWS)
        await there.quiet()
        assert there.outside.done == []
        await there.look(article("old"), article("new"), article("newer"))
        await there.until(lambda: len(there.outside.done) == 1)
        assert card_of(there.outside.done[0]).links == (("Read", article("newer").url),)
