"""All sources together: one article an address, and problems that were not told yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.integrations.feeds.polled import Polled, problem_id
from bot.integrations.feeds.reading import Reading
from content.sources.address import canonical
from content.sources.article import Article, Problem


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a source now; ``failure`` is why it could not be read."""

    source: str
    reading: Reading
    is_feed: bool = False
    failure: Problem | None = None


def merge(known: Sequence[Known], now: datetime, reported: Iterable[str]) -> Polled:
    """Everything at ``now``; ``reported`` are the identities of problems told before."""
    articles, doubled = _articles(known, now)
    problems = [problem for one in known for problem in one.reading.problems]
    problems += [*doubled, *(one.failure for one in known if one.failure is not None)]
    unique = {problem_id(problem): problem for problem in problems}
    told = set(reported)
    return Polled(
        articles=tuple(articles),
        problems=tuple(unique.values()),
        problems_new=tuple(p for identity, p in unique.items() if identity not in told),
        failed=frozenset(one.source for one in known if one.failure is not None),
        broken=frozenset((one.source, where) for one in known for where in one.reading.broken),
        feeds=frozenset(one.source for one in known if one.is_feed),
    )


def reported_after(polled: Polled, before: Iterable[str]) -> frozenset[str]:
    """What counts as told once ``polled`` was: all that stands, and of a source that is down
    whatever was told of it, or one that fails in two ways by turns would be told of for ever.
    """
    standing = {problem_id(problem) for problem in polled.problems}
    return frozenset(standing | {one for one in before if one.partition("\n")[0] in polled.failed})


def next_due(articles: Iterable[Article], now: datetime) -> float | None:
    """Seconds until the first article of the future is due."""
    waits = ((a.date - now).total_seconds() for a in articles if a.date and a.date > now)
    return min(waits, default=None)


def _articles(known: Sequence[Known], now: datetime) -> tuple[list[Article], list[Problem]]:
    """One article an address: a file's own rather than a feed's, then the order of the sources."""
    kept: dict[str, Article] = {}
    keys: set[str] = set()
    doubled: list[Problem] = []
    for one in sorted(known, key=lambda known: known.is_feed):
        for entry in one.reading.entries:
            article = entry.at(now)
            address = canonical(article.url)
            first = kept.get(address)
            if first is not None:
                doubled += _doubled(article, first)
                continue
            if article.key in keys:  # a guid such as "7" in two feeds
                article = article.model_copy(update={"key": address})
            keys.add(article.key)
            kept[address] = article
    return list(kept.values()), doubled


def _doubled(article: Article, first: Article) -> list[Problem]:
    """Two files of one source at one address are a mistake, a feed beside its files is none."""
    if article.source != first.source:
        return []
    sentence = f"It has the same address as {first.where}, so it is left out: {first.url}"
    return [Problem(article.source, article.where, 0, sentence)]
