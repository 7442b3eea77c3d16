from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.integrations.feeds import readers
from bot.integrations.feeds.polled import Polled
from bot.integrations.feeds.service import Sources
from bot.store import Store
from config.settings import Settings, load_settings
from content.library import Library
from tests.bot.integrations.feeds.web import Web

WAIT_S = 20.0
FIELDS = "<link>https://mlsystems.dev/blog/{0}</link><guid isPermaLink='false'>urn:{0}</guid>"
DAY = "<pubDate>{1:02d} Nov 2026 10:00:00 GMT</pubDate>"
ITEM = f"<item><title>{{0}}</title>{FIELDS}{DAY}</item>"


def rss(*items: str) -> bytes:
    return f"<rss version='2.0'><channel><title>x</title>{''.join(items)}</channel></rss>".encode()


def item(slug: str, day: int = 12) -> str:
    return ITEM.format(slug, day)


def put(folder: Path, slug: str, head: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{slug}.md"
    file.write_text(f"---\ntitle: {slug}\n{head}\n---\n", encoding="utf-8")
    return file


def settings(*sources: Any, **more: Any) -> Settings:
    return load_settings(articles=",".join(map(str, sources)), **more)


def titles(polled: Polled) -> list[str]:
    return [article.title for article in polled.articles]


async def test_all_kinds_are_read_and_the_library_holds_them(
    site: Web, store: Store, tmp_path: Path
) -> None:
    put(tmp_path / "a", "moe", "topicId: architecture")
    library = Library()
    feed = site.serve("/feed", rss(item("fp8")))
    polled = await Sources(settings(tmp_path / "a", feed), store, library).poll()
    assert titles(polled) == ["moe", "fp8"] and polled.feeds == {feed}
    assert library.all() == polled.articles and polled.problems == ()


async def test_a_file_and_a_feed_entry_at_one_address_are_one_article_of_the_file(
    site: Web, store: Store, tmp_path: Path
) -> None:
    put(tmp_path / "a", "moe", "summary: of the file")
    feed = site.serve("/feed", rss(item("moe"), item("fp8")))
    polled = await Sources(settings(feed, tmp_path / "a"), store, Library()).poll()
    assert sorted(titles(polled)) == ["fp8", "moe"] and polled.problems == ()
    (moe,) = (article for article in polled.articles if article.title == "moe")
    assert moe.summary == "of the file" and moe.key == "https://mlsystems.dev/blog/moe"


async def test_two_files_at_one_address_are_reported(store: Store, tmp_path: Path) -> None:
    put(tmp_path, "a", "slug: same")
    put(tmp_path, "b", "slug: same")
    polled = await Sources(settings(tmp_path), store, Library()).poll()
    assert titles(polled) == ["a"]
    assert [str(problem) for problem in polled.problems] == [
        "b.md: It has the same address as a.md, so it is left out: https://mlsystems.dev/blog/same"
    ]


async def test_one_guid_in_two_feeds_is_two_articles(site: Web, store: Store) -> None:
    one = site.serve("/1", rss(item("a").replace("urn:a", "7")))
    two = site.serve("/2", rss(item("b").replace("urn:b", "7")))
    polled = await Sources(settings(one, two), store, Library()).poll()
    assert len({article.key for article in polled.articles}) == 2


async def test_a_source_that_fails_stops_no_other_and_keeps_its_articles(
    site: Web, store: Store, tmp_path: Path
) -> None:
    put(tmp_path / "a", "moe")
    feed = site.serve("/feed", rss(item("fp8")))
    sources = Sources(settings(tmp_path / "a", feed, tmp_path / "none"), store, Library())
    assert titles(await sources.poll()) == ["moe", "fp8"]
    site.serve("/feed", b"<html>Moved</html>")
    (tmp_path / "a").rename(tmp_path / "b")
    polled = await sources.poll()
    assert titles(polled) == ["moe", "fp8"], "nothing was withdrawn"
    assert polled.failed == {feed, str(tmp_path / "a"), str(tmp_path / "none")}
    assert all(polled.may_be_hidden(a.source, a.where) for a in polled.articles)


async def test_what_failed_at_a_restart_is_known_from_before(
    site: Web, store: Store, tmp_path: Path
) -> None:
    put(tmp_path / "a", "moe", "date: 2026-11-12\nauthors: [x]")
    chosen = settings(tmp_path / "a", site.serve("/feed", rss(item("fp8"))))
    first = await Sources(chosen, store, Library()).poll()
    (tmp_path / "a").rename(tmp_path / "gone")
    site.serve("/feed", b"", status=503)
    again = await Sources(chosen, store, Library()).poll()
    assert again.articles == first.articles and len(again.failed) == 2


async def test_a_file_that_breaks_while_the_bot_is_down_keeps_its_article(
    store: Store, tmp_path: Path
) -> None:
    file = put(tmp_path / "a", "moe")
    chosen = settings(tmp_path / "a")
    await Sources(chosen, store, Library()).poll()
    file.write_text("---\ntitle: [\n---\n")
    polled = await Sources(chosen, store, Library()).poll()
    assert titles(polled) == ["moe"]
    assert polled.broken == {(str(tmp_path / "a"), "moe.md")}
    file.unlink()
    assert titles(await Sources(chosen, store, Library()).poll()) == []


async def test_a_restart_asks_the_feed_whether_it_changed(site: Web, store: Store) -> None:
    feed = site.serve("/feed", rss(item("moe"), "<item><title>bad</title></item>"), ETag='"1"')
    first = await Sources(settings(feed), store, Library()).poll()
    again = await Sources(settings(feed), store, Library()).poll()
    assert site.seen[1].headers["If-None-Match"] == '"1"'
    assert again.articles == first.articles and again.problems == first.problems != ()


async def test_what_a_feed_no_longer_shows_is_kept_unless_it_was_taken_back(
    site: Web, store: Store
) -> None:
    feed = site.serve("/feed", rss(*(item(f"a{day}", day) for day in (10, 11, 12))))
    sources = Sources(settings(feed), store, Library())
    await sources.poll()
    site.serve("/feed", rss(*(item(f"a{day}", day) for day in (11, 13))))
    assert titles(await sources.poll()) == ["a11", "a13", "a10"], "a12 was taken back"
    site.serve("/feed", rss(item("a13", 13)).replace(b"</channel>", b""))
    assert titles(await sources.poll()) == ["a13", "a11", "a10"], "a broken feed takes nothing back"


async def test_a_feed_that_moves_its_host_names_the_same_articles(site: Web, store: Store) -> None:
    first = await Sources(
        settings(site.serve("/old", rss(item("a"), item("b")))), store, Library()
    ).poll()
    moved = rss(item("a"), item("b")).replace(b"mlsystems.dev", b"new.example.org")
    second = await Sources(settings(site.serve("/new", moved)), store, Library()).poll()
    assert [a.key for a in first.articles] == [a.key for a in second.articles]
    assert [a.url for a in first.articles] != [a.url for a in second.articles]


async def test_a_problem_is_new_once_also_after_a_restart(store: Store, tmp_path: Path) -> None:
    file = put(tmp_path, "a", "date: never")
    chosen = settings(tmp_path)
    sources = Sources(chosen, store, Library())
    assert len((await sources.poll()).problems_new) == 1
    polled = await sources.poll()
    assert len(polled.problems_new) == 1, "not told yet"
    await sources.told(polled)
    assert (await sources.poll()).problems_new == ()
    restarted = Sources(chosen, store, Library())
    polled = await restarted.poll()
    assert polled.problems_new == () and len(polled.problems) == 1
    put(tmp_path, "a", "more: lines\ndate: never")
    assert (await restarted.poll()).problems_new == (), "the same one, further down"
    put(tmp_path, "a", "date: soon")
    assert len((await restarted.poll()).problems_new) == 1, "another one"
    file.write_text("---\ntitle: a\n---\n")
    polled = await restarted.poll()
    assert polled.problems == ()
    await restarted.told(polled)
    put(tmp_path, "a", "date: never")
    assert len((await restarted.poll()).problems_new) == 1, "it came back"


async def test_a_source_that_fails_in_two_ways_by_turns_is_told_of_twice(
    site: Web, store: Store
) -> None:
    feed, told = site.url("/feed"), []
    sources = Sources(settings(feed), store, Library())
    for status in (502, 503, 502, 503, 502):
        site.serve("/feed", b"", status=status)
        polled = await sources.poll()
        told += [problem.sentence for problem in polled.problems_new]
        await sources.told(polled)
    assert told == ["127.0.0.1 answered 502.", "127.0.0.1 answered 503."]


async def test_a_server_that_asks_to_wait_is_left_alone(site: Web, store: Store) -> None:
    feed = site.serve("/feed", b"", status=429, Retry_After="3600")
    sources = Sources(settings(feed), store, Library())
    first, second = await sources.poll(), await sources.poll()
    assert len(site.seen) == 1 and first.failed == second.failed == {feed}


async def test_run_tells_of_changes_and_of_nothing_else(store: Store, tmp_path: Path) -> None:
    put(tmp_path, "a")
    told: list[Polled] = []
    change = asyncio.Event()

    async def on_change(polled: Polled) -> None:
        told.append(polled)
        change.set()

    sources = Sources(settings(tmp_path), store, Library())
    running = asyncio.create_task(sources.run(on_change))
    try:
        await asyncio.wait_for(change.wait(), 10)
        change.clear()
        sources.wake()
        await asyncio.sleep(0.1)  # a look at what did not change
        assert len(told) == 1
        put(tmp_path, "b", "date: never")
        sources.wake()
        await asyncio.wait_for(change.wait(), 10)
        assert titles(told[1]) == ["a"] and len(told[1].problems_new) == 1
        change.clear()
        put(tmp_path, "b")
        sources.wake()
        await asyncio.wait_for(change.wait(), 10)
        assert titles(told[2]) == ["a", "b"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_could_not_be_passed_on_is_passed_on_again(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "a", "date: never")
    told: list[Polled] = []
    first, second = asyncio.Event(), asyncio.Event()

    async def on_change(polled: Polled) -> None:
        told.append(polled)
        if len(told) == 1:
            first.set()
            raise RuntimeError("the first time")
        second.set()

    sources = Sources(settings(tmp_path), store, Library())
    running = asyncio.create_task(sources.run(on_change))
    try:
        await asyncio.wait_for(first.wait(), 10)
        sources.wake()
        await asyncio.wait_for(second.wait(), 10)
        assert len(told[1].problems_new) == 1
        assert "could not be passed on" in caplog.text
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.slow
async def test_an_article_of_the_future_is_told_of_when_it_is_due(
    store: Store, tmp_path: Path
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=1.2)
    put(tmp_path, "a", f"date: {due.isoformat()}")
    states: list[str] = []
    shown = asyncio.Event()

    async def on_change(polled: Polled) -> None:
        states.append(polled.articles[0].state)
        if states[-1] == "published":
            shown.set()

    running = asyncio.create_task(
        Sources(settings(tmp_path, poll_s=3600), store, Library()).run(on_change)
    )
    try:
        await asyncio.wait_for(shown.wait(), 20)
        assert states == ["future", "published"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_no_sources_are_no_articles(store: Store) -> None:
    polled = await Sources(settings(), store, Library()).poll()
    assert polled == Polled()


@pytest.mark.parametrize("step", ["scan_directory", "scan_feed", "replace"])
async def test_looking_does_not_hold_up_the_loop(
    site: Web, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Each long step ends only once the loop has turned since it began."""
    put(tmp_path, "moe")
    library, begun, turned = Library(), threading.Event(), threading.Event()
    owner: Any = library if step == "replace" else readers
    whole = getattr(owner, step)

    def waits(*given: Any) -> Any:
        begun.set()
        assert turned.wait(WAIT_S)
        return whole(*given)

    monkeypatch.setattr(owner, step, waits)
    sources = Sources(settings(tmp_path, site.serve("/feed", rss(item("fp8")))), store, library)
    look = asyncio.create_task(sources.poll())
    async with asyncio.timeout(WAIT_S):
        while not begun.is_set():  # noqa: ASYNC110 -- a thread sets it
            await asyncio.sleep(0.001)
    turned.set()
    assert titles(await look) == ["moe", "fp8"] and len(library.all()) == 2


async def test_what_of_a_source_cannot_be_kept_stops_no_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a", "moe")
    put(tmp_path / "b", "fp8")
    sources = Sources(settings(tmp_path / "a", tmp_path / "b"), store, Library())
    keep = sources._keeper.save

    async def save(source: str, state: Any) -> None:
        if source.endswith("/a"):
            raise UnicodeError("half a character")
        await keep(source, state)

    monkeypatch.setattr(sources._keeper, "save", save)
    assert titles(await sources.poll()) == ["moe", "fp8"]
    assert len(await sources._keeper.load()) == 1
