"""``k2c announce``: what would be posted where and why; from which day on old articles are new."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.integrations.announcing.forecast import Forecast, Step
    from bot.integrations.github_discussions.service import GitHubService
    from bot.store import Store
    from config.settings import Settings

USAGE_ERROR = 2
ASK_S, EVERY_S = 15.0, 0.05  # for GitHub's categories
UNKNOWN_CATEGORY = "the topic's category"
NAMES = {
    "github.discussion": "Discussion", "github.edit": "edit of the Discussion",
    "github.label": "labels", "discord.post": "message", "discord.edit": "edit of the message",
    "discord.crosspost": "crosspost", "discord.thread": "thread",
}  # fmt: skip

Subparsers = Any  # argparse's own class for them is private


def add_announce_command(subparsers: Subparsers) -> None:
    """Add ``announce``; it sets ``start`` as the other commands do."""
    text = "what would be announced, where and why"
    parser = subparsers.add_parser("announce", help=text)
    parser.description = (
        "With --plan: reads the article sources and a copy of the database, posts nothing and "
        "works while the bot runs. With --since alone: from its next start on, the bot announces "
        "articles of that day or later that were there before it looked first."
    )
    parser.add_argument("--plan", action="store_true", help="print what would be posted and why")
    parser.add_argument("--since", metavar="DATE", help="as if articles since then were new")
    parser.add_argument("--json", action="store_true", help="the plan as JSON, with all payloads")
    parser.set_defaults(start=run)


def run(chosen: argparse.Namespace) -> int:
    """Print the plan, or keep the day."""
    from bot.integrations.announcing.service import parse_since
    from bot.lock import DataDirError
    from bot.store import StoreError
    from config.settings import SettingsError, load_settings

    if not chosen.plan and not chosen.since:
        return _complain("Say --plan to see what would be announced, or --since DATE.")
    try:
        since = parse_since(chosen.since) if chosen.since else None
        settings = load_settings()
        if not chosen.plan:
            return asyncio.run(_keep_since(settings, chosen.since))
        made = asyncio.run(make_plan(settings, since))
    except (SettingsError, ValueError, StoreError, DataDirError) as error:
        return _complain(str(error))
    lines = [json.dumps(as_json(made), indent=2)] if chosen.json else as_lines(made)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


async def make_plan(settings: Settings, since: Any = None) -> Forecast:
    """The plan, made on a copy of the database. Raises ``StoreError``."""
    import tempfile

    from bot.backup import backup
    from bot.store import FILE_NAME, Store

    database = settings.data_dir / FILE_NAME
    with tempfile.TemporaryDirectory(prefix="k2c-plan-") as folder:
        copy = Path(folder) / FILE_NAME
        if database.is_file():
            await asyncio.to_thread(backup, database, copy)
        store = await Store.open(copy)
        try:
            return await _forecast(settings, store, since)
        finally:
            await store.close()


async def _forecast(settings: Settings, store: Store, since: Any) -> Forecast:
    from bot.community.service import CommunityBook
    from bot.integrations.announcing.finding import Finder
    from bot.integrations.announcing.forecast import forecast
    from bot.integrations.announcing.where import Whereabouts
    from bot.integrations.feeds.service import Sources
    from bot.integrations.github_discussions.service import GitHubService
    from content.library import Library
    from content.site import load_site

    github = GitHubService(settings)
    try:
        community = await CommunityBook.open(store, settings.home_guild_ids)
        polled = await Sources(
            settings, store, Library(), github if github.configured else None
        ).poll()
        names = await _categories(github) if github.configured else []
        finder = Finder(
            _nothing if github.configured else None,
            _nothing if settings.discord_token is not None else None,
        )
        where = Whereabouts(load_site(), community, lambda: names, finder)
        finder.known = {place: [] for place in where.asked()}
        sources = frozenset(settings.articles)
        return await store.write(
            lambda db: forecast(db, polled, sources, where.of, since, time.time())
        )
    finally:
        await github.close()


async def _categories(github: GitHubService) -> list[str]:
    """The categories; where GitHub does not answer in time, words that say so."""
    await github.start()
    for _ in range(int(ASK_S / EVERY_S)):
        if github.categories() or github.problem:
            break
        await asyncio.sleep(EVERY_S)
    if not github.categories():
        _complain(f"GitHub's categories are not known. {github.problem}".rstrip())
    return github.categories() or [UNKNOWN_CATEGORY]


async def _nothing(*_: object) -> list[Any]:
    return []


async def _keep_since(settings: Settings, since: str) -> int:
    from bot.integrations.announcing.book import SINCE
    from bot.integrations.announcing.service import parse_since
    from bot.lock import DataDirLock
    from bot.store import FILE_NAME, Store

    with DataDirLock(settings.data_dir):
        store = await Store.open(settings.data_dir / FILE_NAME)
        try:
            await store.set_fact(SINCE, parse_since(since).isoformat())
        finally:
            await store.close()
    sys.stdout.write(f"Kept: articles since {since} are announced from the next start on.\n")
    return 0


def as_lines(made: Forecast) -> Iterator[str]:
    """The plan for a person."""
    wide = max((len(place_of(step)) for step in made.steps), default=0)
    long = max((len(what_of(step)) for step in made.steps), default=0)
    for short in dict.fromkeys(step.record.short for step in made.steps):
        steps = [step for step in made.steps if step.record.short == short]
        article = steps[0].record.article
        day = f", {article.date:%Y-%m-%d}" if article.date else ""
        yield f"{article.title}  ({article.where}{day})"
        for step in steps:
            yield f"  {place_of(step):{wide}}  {what_of(step):{long}}  {step.reason}"
    if not made.steps and not made.nowhere:
        articles = "1 article" if made.articles == 1 else f"{made.articles:,} articles"
        yield f"Nothing is to be posted: of {articles} none is new or changed."
    for record in made.later:
        yield f"{record.article.title}  is due on {record.article.date:%Y-%m-%d %H:%M} UTC"
    for record in made.nowhere:
        yield f"{record.article.title}  waits: no channel and no GitHub repository is configured"
    for problem in made.problems:
        yield f"problem: {problem}"


def as_json(made: Forecast) -> dict[str, Any]:
    """The plan for a program."""
    steps = [
        {
            "article": step.record.key, "title": step.record.article.title,
            "kind": step.effect.kind, "where": place_of(step), "key": step.effect.key,
            "reason": step.reason, "payload": dict(step.effect.payload),
        }
        for step in made.steps
    ]  # fmt: skip
    later = [
        {"article": r.key, "title": r.article.title, "date": str(r.article.date)}
        for r in made.later
    ]
    nowhere = [{"article": r.key, "title": r.article.title} for r in made.nowhere]
    problems = [str(problem) for problem in made.problems]
    return {"effects": steps, "later": later, "nowhere": nowhere, "problems": problems}


def place_of(step: Step) -> str:
    """GitHub, or a channel's id."""
    if step.effect.kind.startswith("github."):
        return "GitHub"
    return f"#{step.effect.key.split(':')[1]}"


def what_of(step: Step) -> str:
    """What it is, in a few words."""
    payload = step.effect.payload
    what = NAMES.get(step.effect.kind, step.effect.kind)
    if step.effect.kind == "github.discussion":
        return f"{what} in “{payload['category']}”"
    if step.effect.kind == "discord.post" and payload.get("mention_role"):
        return f"{what}, mentions role {payload['mention_role']}"
    return what


def _complain(sentence: str) -> int:
    sys.stderr.write(f"k2c: {sentence}\n")
    return USAGE_ERROR
