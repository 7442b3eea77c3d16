"""Reading one article source: a directory, a feed, a path of a GitHub repository."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from bot.integrations.feeds.fetch import Fetched, FetchFailed, Marks, fetch_feed
from bot.integrations.feeds.reading import Reader, ReadFailed, Reading, State
from bot.integrations.feeds.tree import Repositories, parse_place
from content.sources.article import Problem
from content.sources.directory import HEAD, MAX_FILES, Refusal
from content.sources.feed import FeedScan, scan_feed
from content.sources.fields import Entry, Place
from content.sources.layout import ENDINGS, POSTS, UNSHOWN, articles_among, posts_folder, shown
from content.sources.read import Cache, Parsed, parse_file, scan_directory, site_topics
from content.sources.source import directory_of, kind_of
from content.sources.yaml_texts import Broken

MAX_BLOBS = 200  # files fetched in one look: the rest of a big repository comes with the next ones
GIVE_UP = 3  # files in a row that could not be fetched
MAX_KEPT = 5_000  # articles of one feed


def reader_of(source: str, site_url: str, github: Repositories | None) -> Reader:
    """What reads ``source``."""
    kind = kind_of(source)
    if kind == "repository":
        return RepositoryReader(source, site_url, github)
    return FeedReader(source) if kind == "feed" else DirectoryReader(source, site_url)


class DirectoryReader:
    """A directory of this machine; unchanged files are not read again."""

    is_feed = False

    def __init__(self, source: str, site_url: str) -> None:
        self._source = source
        self._site_url = site_url
        self._cache = Cache()
        self._begun = False

    async def read(self, known: State) -> State:
        """Raises ``ReadFailed``."""
        if not self._begun:  # what a file said before a restart counts while it is broken
            self._cache.good = {entry.article.where: entry for entry in known.reading.entries}
        directory = directory_of(self._source)
        try:
            scan = await asyncio.to_thread(
                scan_directory, directory, self._source, self._site_url, self._cache
            )
        except Refusal as error:
            raise ReadFailed(str(error)) from None
        self._begun = True
        return _with(known, Reading(scan.entries, scan.problems, scan.broken))


class FeedReader:
    """RSS, Atom or JSON; what has fallen off its end is remembered."""

    is_feed = True

    def __init__(self, source: str) -> None:
        self._source = source
        self._wait_until = 0.0
        self._why = ""

    async def read(self, known: State) -> State:
        """Raises ``ReadFailed``."""
        if time.monotonic() < self._wait_until:
            raise ReadFailed(self._why)
        try:
            got = await fetch_feed(self._source, Marks(known.etag, known.modified))
            if got.content is None:
                return known
            scan = await asyncio.to_thread(self._scan, got, got.content)
        except FetchFailed as error:
            self._wait_until = time.monotonic() + error.retry_s
            self._why = str(error)
            raise ReadFailed(self._why) from None
        except Broken as error:
            raise ReadFailed(error.sentence) from None
        entries = _with_older(scan, known.reading.entries)
        state = _with(known, Reading(entries, scan.problems, scan.broken))
        if (state.etag, state.modified) != (got.marks.etag, got.marks.modified):
            state = replace(state, etag=got.marks.etag, modified=got.marks.modified)
        return state

    def _scan(self, got: Fetched, content: bytes) -> FeedScan:
        """The feed, its links read from where it was found and named by what was configured."""
        return scan_feed(content, got.url, got.content_type, site_topics(), self._source)


def _with_older(scan: FeedScan, known: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The feed's entries and those known that it no longer shows because they are older.

    An entry that is missing from the midst of a whole feed was taken back.
    """
    there = {entry.article.key for entry in scan.entries}
    dates = [entry.article.date for entry in scan.entries if entry.article.date]
    oldest = min(dates) if dates else None
    older = [
        entry
        for entry in known
        if entry.article.key not in there
        and (
            scan.cut
            or entry.article.where in scan.broken
            or entry.article.date is None
            or oldest is None
            or entry.article.date < oldest
        )
    ]
    return (*scan.entries, *older[: max(MAX_KEPT - len(scan.entries), 0)])


class RepositoryReader:
    """A path of a GitHub repository; a file is fetched once per content."""

    is_feed = False

    def __init__(self, source: str, site_url: str, github: Repositories | None) -> None:
        self._source = source
        self._site_url = site_url
        self._github = github

    async def read(self, known: State) -> State:
        """Raises ``ReadFailed``."""
        try:
            place = parse_place(self._source)
        except ValueError as error:
            raise ReadFailed(str(error)) from None
        if self._github is None:
            raise ReadFailed(
                f"{self._source} needs GitHub: set GITHUB_TOKEN, or an App as docs/github.md says."
            )
        try:
            tree = await self._github.tree(place.repo, place.branch, place.path, known.etag)
        except Exception as error:
            raise ReadFailed(_sentence(error, self._source)) from None
        if tree.unchanged:
            return known
        wanted = _articles_under(place.path, tree.files)
        if len(wanted) > MAX_FILES:
            raise ReadFailed(f"{self._source} has more than {MAX_FILES:,} Markdown files.")
        files, failed = await self._fetch(place.repo, wanted, known.files)
        failed += [Problem(self._source, shown(name), 0, UNSHOWN) for name in tree.files
                   if not name.isprintable() and name.lower().endswith(ENDINGS)]  # fmt: skip
        whole = all(files.get(where, ("",))[0] == sha for where, sha in wanted.items())
        reading = _reading(wanted, files, failed, known.reading)
        return State(reading, etag=tree.etag if whole else "", files=files)

    async def _fetch(
        self, repo: str, wanted: Mapping[str, str], known: Mapping[str, tuple[str, Parsed]]
    ) -> tuple[dict[str, tuple[str, Parsed]], list[Problem]]:
        """What the wanted files say, as far as could be had now, and which could not be."""
        assert self._github is not None
        files = {where: known[where] for where in wanted if where in known}
        new = [where for where, sha in wanted.items() if files.get(where, ("",))[0] != sha]
        failed: list[Problem] = []
        in_a_row = 0
        for where in new[:MAX_BLOBS]:
            try:
                content = await self._github.blob(repo, wanted[where])
                in_a_row = 0
            except Exception as error:
                failed.append(Problem(self._source, where, 0, _sentence(error, where)))
                in_a_row += 1
                if in_a_row == GIVE_UP:
                    break
                continue
            place = Place(self._source, where, self._site_url)
            files[where] = (wanted[where], await asyncio.to_thread(_parse, content, place))
        return files, failed


def _parse(content: bytes, place: Place) -> Parsed:
    head = content[:HEAD]
    if len(content) > HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    return parse_file(head, place)


def _articles_under(path: str, files: Mapping[str, str]) -> dict[str, str]:
    """The articles' paths, from the repository's root, with their SHAs."""
    inside = f"{path}/" if path else ""
    relative = {name.removeprefix(inside): name for name in files
                if name.startswith(inside) and name.isprintable()}  # fmt: skip
    folders = {str(parent) for name in relative for parent in PurePosixPath(name).parents}
    posts = posts_folder([place for place in POSTS if place in folders])
    lead = f"{posts}/" if posts else ""
    under = {name.removeprefix(lead): full for name, full in relative.items()
             if name.startswith(lead)}  # fmt: skip
    return {under[name]: files[under[name]] for name in articles_among(under)}


def _reading(
    wanted: Mapping[str, str],
    files: Mapping[str, tuple[str, Parsed]],
    failed: list[Problem],
    known: Reading,
) -> Reading:
    """The files' entries; one that is broken or not fetched yet keeps what it said last."""
    last = {entry.article.where: entry for entry in known.entries}
    said = {where: files[where][1] for where in wanted if where in files}
    fresh = {w for w, sha in wanted.items() if w in files and files[w][0] == sha}
    entries = {w: parsed.entry or last.get(w) for w, parsed in said.items()}
    problems = [problem for w in sorted(said) for problem in said[w].problems]
    unusable = {w for w in wanted if w not in fresh or said[w].entry is None}
    return Reading(
        tuple(entry for w in sorted(entries) if (entry := entries[w]) is not None),
        (*problems, *failed),
        frozenset(unusable),
    )


def _with(known: State, reading: Reading) -> State:
    """``known`` itself if that is what it says already, so that nothing is written."""
    return known if known.reading == reading else replace(known, reading=reading)


def _sentence(error: Exception, what: str) -> str:
    text = " ".join(str(error).split())[:300]
    return text or f"{what} cannot be read ({type(error).__name__})."
