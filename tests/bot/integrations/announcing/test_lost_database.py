"""Without its database the bot knows its posts again by their keys and posts nothing twice."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.integrations.announcing import finding, service
from bot.posting import Card
from tests.bot.integrations.announcing.parts import (
    NEWS,
    Outside,
    Rules,
    article,
    days_ago,
    world,
)

OLD = article("old", date=datetime(2026, 1, 1, tzinfo=UTC))
ONE = article("one", date=datetime(2026, 11, 10, tzinfo=UTC))
TWO = article("two", date=datetime(2026, 11, 11, tzinfo=UTC))
THREE = article("three", date=datetime(2026, 11, 12, tzinfo=UTC))
EVERY = (OLD, ONE, TWO, THREE)


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.1)
    monkeypatch.setattr(service, "FIND_S", 0.05)


@pytest.fixture
def rules() -> Rules:
    made = Rules()
    made.add(NEWS, thread=True)
    return made


async def posted(path: Path, rules: Rules, *articles: Any, **more: Any) -> Outside:
    """A bot that announced these, and whose database is lost after that."""
    async with world(path, rules=rules, **more) as there:
        await there.look(OLD)
        await there.look(OLD, *articles)
        await there.quiet()
    lose(path)
    return there.outside


def lose(path: Path) -> None:
    path.unlink()
    for rest in path.parent.glob(f"{path.name}-*"):
        rest.unlink()


def created(outside: Outside) -> list[str]:
    return [e.key for e in outside.done if e.kind in ("github.discussion", "discord.post")]


async def test_what_stands_is_adopted_and_what_was_missed_is_announced(
    tmp_path: Path, rules: Rules
) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE, TWO)
    count = len(outside.done)
    async with world(path, outside, rules) as there:
        await there.look(*EVERY)
        await there.quiet()
        assert len(created(outside)) == len(set(created(outside))) == 6
        assert all(
            THREE.short_key in effect.key
            for effect in outside.done[count:]
            if effect.kind in ("github.discussion", "discord.post", "discord.thread")
        )
        edits = [e for e in outside.done[count:] if e.kind.endswith("edit")]
        # A Discussion that is in step is left alone; a message cannot be compared: edited once.
        again = [edit for edit in edits if THREE.short_key not in edit.key]
        assert {edit.kind for edit in again} == {"discord.edit"} and len(again) == 2
        assert OLD.short_key not in "".join(outside.done_keys())


async def test_an_adopted_post_is_still_edited(tmp_path: Path, rules: Rules) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE)
    async with world(path, outside, rules) as there:
        await there.look(OLD, ONE)
        await there.quiet()
        count = len(outside.done)
        await there.look(OLD, ONE.model_copy(update={"title": "Better"}))
        await there.quiet()
        edits = outside.done[count:]
        assert {edit.kind for edit in edits} == {"discord.edit", "github.edit"}
        message = next(edit.payload for edit in edits if edit.kind == "discord.edit")
        card = Card.model_validate(message["card"])
        assert card.title == "Better" and "Discuss" in dict(card.links)


async def test_a_discussion_whose_title_is_not_up_to_date_is_edited_when_adopted(
    tmp_path: Path, rules: Rules
) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE)
    async with world(path, outside, rules) as there:
        await there.look(OLD, ONE.model_copy(update={"title": "Better"}))
        await there.quiet()
        assert outside.of("github.edit")[-1].payload["title"] == "Better"
        assert len(created(outside)) == 2


async def test_a_text_that_changed_meanwhile_is_brought_in_step(
    tmp_path: Path, rules: Rules
) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE)
    async with world(path, outside, rules) as there:
        await there.look(OLD, ONE.model_copy(update={"summary": "Said anew."}))
        await there.quiet()
        assert "Said anew." in str(outside.of("github.edit")[-1].payload["body"])
        assert "Said anew." in str(outside.of("discord.edit")[-1].payload["card"])


async def test_a_discussion_without_its_message_gets_it(tmp_path: Path, rules: Rules) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE, TWO)
    outside.done = [e for e in outside.done if not e.key.startswith(f"dc:{NEWS}:{TWO.short_key}")]
    async with world(path, outside, rules) as there:
        await there.look(OLD, ONE, TWO)
        await there.quiet()
    assert sorted(created(outside)) == sorted(
        f"{place}:{one.short_key}:new" for place in ("gh", f"dc:{NEWS}") for one in (ONE, TWO)
    )


async def test_a_place_that_can_be_read_only_later_is_adopted_then(
    tmp_path: Path, rules: Rules
) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE)
    away = [True]

    async def github() -> list[Any]:
        if away[0]:
            raise OSError("502")
        return await outside.discussions()

    async with world(path, outside, rules, adopt_github=github) as there:
        await there.look(OLD, ONE)
        await there.look(OLD, ONE, THREE)
        await there.quiet()
        assert len(outside.of("github.discussion")) == 1
        away[0] = False
        there.later(60)
        await there.until(lambda: len(outside.of("github.discussion")) == 2)
        await there.quiet()
    assert len(created(outside)) == len(set(created(outside))) == 4


async def test_a_github_that_does_not_answer_holds_up_no_channel(
    tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "TOGETHER_S", 0.1)
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE)

    async def github() -> list[Any]:
        await asyncio.sleep(3600)
        return []

    async with world(path, outside, rules, adopt_github=github) as there:
        await there.look(OLD, ONE)
        await there.look(OLD, ONE, THREE)
        await there.quiet()
        there.later(700)
        await there.until(lambda: len(outside.of("discord.post")) == 2)
        await there.quiet()
    assert len(outside.of("github.discussion")) == 1
    assert len(created(outside)) == len(set(created(outside))) == 3


async def test_old_posts_in_one_place_do_not_flood_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, Rules(), ONE, TWO)
    long_ago = days_ago(30).timestamp()

    async def github() -> list[Any]:
        rows = await outside.discussions()
        for row in rows:
            row.created_at = long_ago
        return rows

    rules = Rules()
    rules.add(NEWS)
    async with world(path, outside, rules, adopt_github=github) as there:
        await there.look(OLD, ONE, TWO)
        await there.quiet()
        assert outside.of("discord.post") == []


async def test_an_article_read_only_later_is_adopted_then(tmp_path: Path, rules: Rules) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE)
    async with world(path, outside, rules) as there:
        await there.look(failed=frozenset({"posts"}))
        await there.quiet()
        await there.look(OLD, ONE)
        await there.quiet()
        await there.look(OLD, ONE.model_copy(update={"title": "Better"}))
        await there.quiet()
    assert len(created(outside)) == 2
    assert outside.of("github.edit")[-1].payload["title"] == "Better"


async def test_a_crosspost_that_was_made_is_not_made_again(tmp_path: Path, rules: Rules) -> None:
    path = tmp_path / "k2c.sqlite"
    outside = await posted(path, rules, ONE)

    async def messages(channel_id: str) -> list[Any]:
        rows = await outside.messages(channel_id)
        for row in rows:
            row.crosspostable = row.crossposted = True
        return rows

    async with world(path, outside, rules, adopt_channel=messages) as there:
        await there.look(OLD, ONE)
        await there.quiet()
    assert outside.of("discord.crosspost") == []
    assert len(outside.of("discord.thread")) == 1


def test_rows_are_plain_data() -> None:
    from bot.integrations.announcing.adoption import Found

    found = Found("gh", "k", {"id": "D_1"}, 1.0, done={"thread": {"url": "u"}})
    assert Found(**dataclasses.asdict(found)) == found
