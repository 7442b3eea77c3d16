"""The articles that are published, in memory: by topic, and found by words."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from content.sources.article import Article

TITLE, TAG, REST = 9, 3, 1  # what a word is worth there: one in the title beats any two elsewhere
MAX_QUERY_WORDS = 12


@dataclass(frozen=True)
class _Shelf:
    """The articles that may be shown, newest first and those without a date after them.

    ``dates`` are the seconds of the dated ones, negated, so ascending. ``words`` is sorted;
    ``places`` has for each word what it is worth in which article.
    """

    articles: tuple[Article, ...] = ()
    dates: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    places: tuple[dict[int, int], ...] = ()
    topics: dict[str, list[int]] = field(default_factory=dict)


class Library:
    """One for the process; whoever reads the sources replaces what it holds."""

    def __init__(self) -> None:
        self._articles: tuple[Article, ...] = ()
        self._shelf = _Shelf()

    def replace(self, articles: Iterable[Article]) -> None:
        """Hold these from now on. 5,000 take 0.2 s, so call it in a thread."""
        given = tuple(articles)
        self._articles, self._shelf = given, _shelve(given)

    def all(self) -> tuple[Article, ...]:
        """Every article, drafts too, as the sources have them."""
        return self._articles

    def find(
        self, search: str = "", topic: str | None = None, now: datetime | None = None
    ) -> Sequence[Article]:
        """Published articles, newest first; of a search the best first.

        Each word of ``search`` must begin a word of the title, the tags, the summary, the authors
        or the topic, whatever its accents. ``topic`` is a topic's current id.
        """
        shelf, due = self._shelf, _first_due(self._shelf, now)
        places: Iterable[int] = range(due, len(shelf.articles))
        if topic is not None:
            places = [place for place in shelf.topics.get(topic, ()) if place >= due]
        asked = words_of(search)[:MAX_QUERY_WORDS]
        if asked:
            places = _best_first(_worth(shelf, asked), places)
        elif search.strip():
            places = ()  # signs alone, which no article is found by
        return [shelf.articles[place] for place in places]

    def counts(self, now: datetime | None = None) -> dict[str | None, int]:
        """How many published articles each topic id has; None: those without a topic."""
        shelf, due = self._shelf, _first_due(self._shelf, now)
        counted: dict[str | None, int] = {
            topic: len(places) - bisect_left(places, due) for topic, places in shelf.topics.items()
        }
        without = len(shelf.articles) - due - sum(counted.values())
        return counted | ({None: without} if without else {})


def words_of(text: str) -> list[str]:
    """The words of ``text`` without accents and case: ``Café-Größe`` is cafe, grosse."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    kept = (
        " " if not sign.isalnum() else sign for sign in plain if not unicodedata.combining(sign)
    )
    return "".join(kept).split()


def _shelve(articles: Iterable[Article]) -> _Shelf:
    shown = [article for article in articles if article.state != "draft"]
    shown.sort(key=lambda a: -a.date.timestamp() if a.date else float("inf"))
    found: dict[str, dict[int, int]] = {}
    topics: dict[str, list[int]] = {}
    for place, article in enumerate(shown):
        if article.topic is not None:
            topics.setdefault(article.topic, []).append(place)
        for word, worth in _words(article).items():
            found.setdefault(word, {})[place] = worth
    words = tuple(sorted(found))
    return _Shelf(
        articles=tuple(shown),
        dates=tuple(-a.date.timestamp() for a in shown if a.date),
        words=words,
        places=tuple(found[word] for word in words),
        topics=topics,
    )


def _words(article: Article) -> dict[str, int]:
    """Each word of an article with what it is worth there."""
    rest = " ".join((article.summary, *article.authors, article.topic or ""))
    worth = dict.fromkeys(words_of(rest), REST)
    worth |= dict.fromkeys(words_of(" ".join(article.tags)), TAG)
    return worth | dict.fromkeys(words_of(article.title), TITLE)


def _first_due(shelf: _Shelf, now: datetime | None) -> int:
    """The place of the first article whose day has come."""
    return bisect_left(shelf.dates, -(now or datetime.now(UTC)).timestamp())


def _best_first(worth: dict[int, int], places: Iterable[int]) -> list[int]:
    """Those of ``places`` that are worth something, the best first and then the newest.

    One number each, because sorting 5,000 pairs took three times as long.
    """
    wide = 1 << 32
    return [n % wide for n in sorted(p - worth[p] * wide for p in places if p in worth)]


def _worth(shelf: _Shelf, asked: Sequence[str]) -> dict[int, int]:
    """The articles that have every word of ``asked``, with what that is worth in all."""
    total: dict[int, int] | None = None
    for word in asked:
        best = _best(shelf, word)
        if total is None:
            total = best
        else:
            few, many = sorted((total, best), key=len)
            total = {place: few[place] + many[place] for place in few if place in many}
    return total or {}


def _best(shelf: _Shelf, start: str) -> dict[int, int]:
    """The articles with a word that begins with ``start``; the whole word is worth double."""
    low = bisect_left(shelf.words, start)
    high = bisect_right(shelf.words, start + "\U0010ffff")
    if low == high:
        return {}
    whole = shelf.words[low] == start
    first = shelf.places[low]
    best = {place: 2 * worth for place, worth in first.items()} if whole else dict(first)
    for at in range(low + 1, high):
        for place, worth in shelf.places[at].items():
            if best.get(place, 0) < worth:
                best[place] = worth
    return best
