"""What /announce shows and does, and what moderators are told of broken files."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.effects import Told
from bot.integrations.announcing import service
from bot.integrations.announcing.diff import compare
from bot.integrations.announcing.plan import targets
from bot.integrations.announcing.preview import said
from bot.integrations.announcing.records import Record
from bot.integrations.announcing.scene import Channel, Places
from bot.posting import Card
from bot.render.github import github_markdown
from compute.tool import Refused
from tests.bot.integrations.announcing.parts import NEWS, Rules, article, problem, world


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.1)
    monkeypatch.setattr(service, "FIND_S", 0.05)


@pytest.fixture
def rules() -> Rules:
    made = Rules()
    made.add(NEWS)
    return made


async def test_an_old_article_is_published_by_hand_once(tmp_path: Path, rules: Rules) -> None:
    short = article("one").short_key
    async with world(tmp_path / "a.sqlite", rules=rules) as there:
        await there.look(article("one"))
        shown = await there.announcer.preview(short)
        assert (shown.can_publish, shown.can_skip) == (True, True)
        assert "“Inference & Serving” and a message in one channel" in shown.said
        assert shown.channels == (("1", NEWS, ""),) and shown.links == ()
        begun = await there.announcer.publish(short, "42")
        assert "a Discussion in “Inference & Serving” and a message in one channel" in begun
        await there.until(lambda: len(there.outside.done) == 3)
        with pytest.raises(Refused, match="already"):
            await there.announcer.publish(short, "42")
        with pytest.raises(Refused, match="already"):
            await there.announcer.skip(short, "42")
        after = await there.announcer.preview(short)
        assert (after.can_publish, after.can_skip) == (False, False)
        assert after.said.startswith("Announced less than a minute ago")
        await there.quiet()
        assert len(there.outside.done) == 3
        assert after.links == (("Discussion", "https://github.com/mlsystems/site/discussions/1"),
                               ("Message", after.links[1][1]))  # fmt: skip
    # The preview was what stands there in the end; links led to where it would be.
    (edit,) = there.outside.of("github.edit")
    assert edit.payload["title"] == shown.title
    body = without_links(str(edit.payload["body"]))
    assert body.startswith(without_links(github_markdown(shown.discussion, "")))
    assert "Discord" in body


async def test_an_article_that_is_being_withdrawn_is_not_said_to_be_announced(
    tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A maintainer presses Publish while the look that finds it gone is still comparing."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(*given: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return compare(*given)

    async with world(tmp_path / "a.sqlite", rules=rules) as there:
        await there.look(article("one"), article("two"), article("three"))
        monkeypatch.setattr(service, "compare", slow)
        looking = asyncio.create_task(there.look(article("two"), article("three")))
        assert await asyncio.to_thread(begun.wait, 30)
        press = asyncio.create_task(there.announcer.publish(article("one").short_key, "42"))
        await asyncio.sleep(0)
        go_on.set()
        await looking
        with pytest.raises(Refused, match="draft"):
            await press


def without_links(text: str) -> str:
    """Every address as the same word."""
    return re.sub(r"https://(?!mlsystems)[^\s)>]+", "LINK", text)


async def test_how_it_stands_says_what_is_still_to_come_and_what_was_given_up(
    tmp_path: Path, rules: Rules
) -> None:
    one = article("one")
    where = Places(wants_github=True, channels=(Channel("100", "1"), Channel("200", "1")))
    record = Record(one.key, one.short_key, one, "announced", announced_at=0.0)
    posts = targets(record, where)
    told = {
        posts[0].target: Told("sent", {"id": "D", "url": "https://github.com/d"}, "", 1),
        posts[1].target: Told("waiting", {}, "the bot lacks Send Messages", 3),
        posts[2].target: Told("never", {}, "Discord refuses it", 1),
    }
    words = said(record, posts, told, where, 60.0)
    assert words.startswith("Announced 1 minute ago. 1 post is still to come: the bot lacks Send")
    assert words.endswith("Messages. 1 post was given up: Discord refuses it.")
    gone = replace(record, withdrawn=True)
    assert "to come" not in said(gone, posts, {posts[0].target: told[posts[0].target]}, where, 9.0)


async def test_what_was_announced_withdrawn_or_is_a_draft_is_named_with_that_word(
    tmp_path: Path, rules: Rules
) -> None:
    async with world(tmp_path / "a.sqlite", rules=rules) as there:
        await there.look(article("one"), article("two"), article("draft", state="draft"))
        await there.announcer.publish(article("one").short_key, "42")
        await there.until(lambda: len(there.outside.done) == 3)
        assert [name for name, _ in there.announcer.waiting()] == ["Two"]
        names = {name for name, _ in there.announcer.others()}
        assert names == {"One (announced)", "Draft (draft)"}


async def test_one_that_is_skipped_is_never_announced_by_itself(
    tmp_path: Path, rules: Rules
) -> None:
    due = datetime(2030, 1, 1, tzinfo=UTC)
    soon = article("soon", date=due, state="future")
    async with world(tmp_path / "a.sqlite", rules=rules) as there:
        await there.look(soon)
        assert (await there.announcer.preview(soon.short_key)).said.startswith("Due in ")
        await there.announcer.skip(soon.short_key, "42")
        there.later(due.timestamp())
        await there.quiet()
        assert there.outside.done == []
        assert "Skipped" in (await there.announcer.preview(soon.short_key)).said


async def test_a_draft_and_an_unknown_article_are_refused(tmp_path: Path, rules: Rules) -> None:
    draft = article("draft", state="draft")
    async with world(tmp_path / "a.sqlite", rules=rules) as there:
        await there.look(draft)
        assert not (await there.announcer.preview(draft.short_key)).can_publish
        with pytest.raises(Refused, match="draft"):
            await there.announcer.publish(draft.short_key, "42")
        with pytest.raises(Refused, match="no such article"):
            await there.announcer.preview("x" * 22)


async def test_without_a_place_publishing_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path / "a.sqlite", github=False) as there:
        await there.look(article("one"))
        with pytest.raises(Refused, match="/config channel"):
            await there.announcer.publish(article("one").short_key, "42")


async def test_suggestions_are_the_newest_first_without_what_was_announced(
    tmp_path: Path, rules: Rules
) -> None:
    early = article("early", date=datetime(2026, 1, 1, tzinfo=UTC))
    async with world(tmp_path / "a.sqlite", rules=rules) as there:
        await there.look(early, article("undated", date=None), article("late"))
        names = [name for name, _ in there.announcer.waiting()]
        assert names == ["Late", "Early", "Undated"]
        await there.announcer.publish(early.short_key, "42")
        await there.until(lambda: len(there.outside.done) == 3)
        assert [name for name, _ in there.announcer.waiting()] == ["Late", "Undated"]


async def test_a_broken_file_is_told_once_with_file_and_line(tmp_path: Path, rules: Rules) -> None:
    rules.add("900", "moderators")
    path = tmp_path / "a.sqlite"
    async with world(path, rules=rules) as there:
        await there.look(article("one"), problems=[problem(), problem("posts/b.md", 7)])
        await there.quiet()
        (told,) = there.outside.done
        card = Card.model_validate(told.payload["card"])
        assert card.lines == ("posts/broken.md:3: No title.", "posts/b.md:7: No title.")
        assert told.payload["channel_id"] == "900"
    async with world(path, there.outside, rules) as there:
        await there.look(article("one"), problems=[problem(line=5)])  # another line, the same one
        await there.quiet()
        assert len(there.outside.done) == 1
        await there.look(article("one"))  # repaired
        await there.look(article("one"), problems=[problem()])  # and broken again
        await there.until(lambda: len(there.outside.done) == 2)


async def test_problems_wait_for_the_moderators_to_have_a_channel(tmp_path: Path) -> None:
    async with world(tmp_path / "a.sqlite") as there:
        await there.look(article("one"), problems=[problem(f"{n}.md") for n in range(14)])
        await there.quiet()
        assert there.outside.done == []
        there.rules.add("900", "moderators")
        await there.until(lambda: len(there.outside.done) == 1)
        card = Card.model_validate(there.outside.done[0].payload["card"])
        assert card.title == "14 problems with articles"
        assert len(card.lines) == 11 and card.lines[-1].startswith("and 4 more")
