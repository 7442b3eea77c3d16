"""A directory of articles, read again only where a file changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from content.site import load_site
from content.sources.article import Article, Problem
from content.sources.directory import (
    NO_STAMP,
    Refusal,
    Seen,
    Vanished,
    list_articles,
    read_head,
)
from content.sources.fields import Entry, Place, article_of
from content.sources.front_matter import read_front_matter
from content.sources.topics import Topics, topics_of
from content.sources.yaml_texts import Broken

RACY_NS = 100_000_000  # a file changed that shortly before it was read may change unnoticed


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one file says: an entry or none, and what is wrong with it."""

    entry: Entry | None
    problems: tuple[Problem, ...] = ()


@dataclass
class Cache:
    """What was read of one directory. A broken file's last good entry is kept in ``good``."""

    parsed: dict[str, tuple[tuple[int, int, int], Parsed]] = field(default_factory=dict)
    good: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scan:
    """One look at a directory: entries in the order of their files, problems, and which files
    cannot be used now (``broken``; what they last said is among the entries).
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    broken: frozenset[str]


@cache
def site_topics() -> Topics:
    """The topics of site.json; read once."""
    return topics_of(load_site())


def parse_file(content: bytes, place: Place) -> Parsed:
    """What a file of front matter says. Never raises: what is wrong is a problem."""

    def problem(line: int, sentence: str) -> Problem:
        return Problem(place.source, place.where, line, sentence)

    try:
        entry, complaints = article_of(read_front_matter(content), place, site_topics())
    except Broken as error:
        return Parsed(None, (problem(error.line, error.sentence),))
    return Parsed(entry, tuple(problem(line, sentence) for line, sentence in complaints))


def scan_directory(directory: Path, source: str, site_url: str, cache: Cache) -> Scan:
    """Every article of ``directory``. Raises ``Refusal`` where nothing can be read at all."""
    recent = time.time_ns() - RACY_NS  # now, as no file is read before: reading them all takes long
    listing = list_articles(directory)
    fresh: dict[str, tuple[tuple[int, int, int], Parsed]] = {}
    for seen in listing.files:
        known = cache.parsed.get(seen.where)
        if known is None or known[0] != seen.stamp:
            known = _parse(seen, Place(source, seen.where, site_url))
        fresh[seen.where] = known
    refused = [Problem(source, where, 0, sentence) for where, sentence in listing.refused]
    there = fresh.keys() | {problem.where for problem in refused}
    cache.good = {where: entry for where, entry in cache.good.items() if where in there}
    cache.good |= {where: one.entry for where, (_, one) in fresh.items() if one.entry}
    cache.parsed = {where: one for where, one in fresh.items() if one[0][0] < recent}
    broken = frozenset(there - {where for where, (_, one) in fresh.items() if one.entry})
    problems = (problem for _, one in fresh.values() for problem in one.problems)
    entries = tuple(cache.good[where] for where in sorted(cache.good))
    return Scan(entries, (*problems, *refused), broken)


def _parse(seen: Seen, place: Place) -> tuple[tuple[int, int, int], Parsed]:
    """What the file says and its stamp. One that vanished since it was listed is no complaint: it
    counts as one that cannot be read now, and the next look says whether it is gone.
    """
    try:
        return seen.stamp, parse_file(read_head(seen.path), place)
    except Refusal as error:
        return seen.stamp, Parsed(None, (Problem(place.source, place.where, 0, str(error)),))
    except Vanished:
        return NO_STAMP, Parsed(None)


def read_directory(
    path: Path, site_url: str, cache: Cache | None = None
) -> tuple[list[Article], list[Problem]]:
    """The articles of ``path`` as they stand now, and what is wrong there. Never raises."""
    from datetime import UTC, datetime

    try:
        scan = scan_directory(path, str(path), site_url, cache or Cache())
    except Refusal as error:
        return [], [Problem(str(path), str(path), 0, str(error))]
    now = datetime.now(UTC)
    return [entry.at(now) for entry in scan.entries], list(scan.problems)
