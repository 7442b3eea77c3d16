"""``k2c announce --plan`` says what would be posted and why, and changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.announce_cli import add_announce_command, as_lines, make_plan
from bot.community.service import CommunityBook
from bot.community.words import By, ChannelSetting
from bot.effects import Effect
from bot.integrations.announcing import book
from bot.integrations.announcing.forecast import Forecast, Step
from bot.integrations.announcing.records import Record
from bot.lock import DataDirLock
from bot.store import FILE_NAME, Store
from config.settings import Settings, load_settings
from tests.bot.integrations.announcing.parts import article

GUILD = "424242424242424242"
POST = """---
title: {title}
summary: What it is about.
authors: [lchen]
date: {date}
topicId: inference
---
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory and a directory of articles, as the settings name them."""
    posts = tmp_path / "posts"
    posts.mkdir()
    write(posts, "old", "2026-01-05")
    for name, value in {
        "K2C_DATA_DIR": str(tmp_path / "data"), "K2C_ARTICLES": str(posts),
        "DISCORD_TOKEN": "x", "DISCORD_GUILD_ID": GUILD, "GITHUB_TOKEN": "",
        "GITHUB_REPOSITORY": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(posts: Path, slug: str, date: str, title: str = "") -> None:
    words = POST.format(title=title or slug.capitalize(), date=date)
    (posts / f"{slug}.md").write_text(words, encoding="utf-8")


async def prepared(settings: Settings) -> None:
    """A bot that looked once, with a channel configured."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = await Store.open(settings.data_dir / FILE_NAME)
    community = await CommunityBook.open(store, settings.home_guild_ids)
    news = ChannelSetting(GUILD, "announcements", "100000000000000001", thread=True)
    await community.set(news, By("7", "ada"))
    sources = json.dumps(sorted(settings.articles))
    await store.write(lambda db: book.put_fact(db, book.READ, sources))
    await store.close()


def plan(folder: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_announce_command(parser.add_subparsers())
    chosen = parser.parse_args(["announce", *arguments])
    return int(chosen.start(chosen))


def test_without_a_database_all_is_old(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(folder, "--plan") == 0
    assert "Nothing is to be posted: of 1 article none" in capsys.readouterr().out
    assert not (folder / "data").exists()


def test_since_shows_what_would_become_of_old_ones(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(folder, "--plan", "--since", "2026-01-01") == 0
    assert "Old  waits: no channel and no GitHub repository" in capsys.readouterr().out


def test_it_tells_each_effect_with_its_reason_and_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(prepared(load_settings()))
    write(folder / "posts", "new", "2026-11-20")
    write(folder / "posts", "later", "2999-01-01")
    (folder / "posts" / "broken.md").write_text("---\ntitle: [\n---\n", encoding="utf-8")
    before = (folder / "data" / FILE_NAME).read_bytes()
    with DataDirLock(folder / "data"):  # the bot is running
        assert plan(folder, "--plan") == 0
        lines = capsys.readouterr().out.splitlines()
        assert plan(folder, "--plan", "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    kinds = [effect["kind"] for effect in told["effects"] if effect["title"] == "New"]
    assert kinds == ["discord.post", "discord.thread"]
    assert (
        told["effects"][0]["where"] == "#100000000000000001"
        and told["effects"][0]["payload"]["card"]
    )
    assert [one["title"] for one in told["later"]] == ["Later"]
    assert any("broken.md" in problem for problem in told["problems"])
    head = next(n for n, line in enumerate(lines) if line.startswith("New  ("))
    assert lines[head + 1].split()[:2] == ["#100000000000000001", "message"]
    assert any(line.startswith("Later  is due on 2999-01-01") for line in lines)
    assert (folder / "data" / FILE_NAME).read_bytes() == before


def test_a_day_alone_is_kept_for_the_next_start(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(folder, "--since", "2026-01-01") == 0
    asyncio.run(prepared(load_settings()))
    made = asyncio.run(make_plan(load_settings()))
    assert [step.effect.kind for step in made.steps] == ["discord.post", "discord.thread"]
    assert next(iter(as_lines(made))).startswith("Old  (")
    with DataDirLock(folder / "data"):
        assert plan(folder, "--since", "2026-01-01") == 2
    assert "in use by process" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--since", "soon"], ["--plan", "--since", "x"]])
def test_what_makes_no_sense_is_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert plan(folder, *arguments) == 2
    assert capsys.readouterr().err.startswith("k2c: ")


def test_what_belongs_to_an_article_stands_together_in_columns() -> None:
    made = Forecast(articles=2)
    for slug, key, kind in (
        ("one", "gh:one:new", "github.discussion"),
        ("two", "dc:1234567890123456789:two:new", "discord.post"),
        ("one", "gh:one:label:1", "github.label"),
    ):
        one = article(slug)
        record = Record(one.key, one.short_key, one, "announced")
        effect = Effect(key, kind, {"category": "General"})
        made.steps.append(Step(record, effect, "because"))
    lines = list(as_lines(made))
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["One", "Two"]
    assert len({line.index("because") for line in lines if line.startswith(" ")}) == 1
