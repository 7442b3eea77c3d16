"""What a look at the sources changes in what is known of the articles. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from bot.integrations.announcing.records import Record
from content.sources.article import Article, Problem, short_key

MISTAKE_LEAST = 2  # articles gone at once from a source, and more than half of it


class Polled(Protocol):
    """What one look at all sources found (bot.integrations.feeds.polled)."""

    @property
    def articles(self) -> tuple[Article, ...]:
        """Those of all sources, one an address."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that stand now."""

    @property
    def failed(self) -> frozenset[str]:
        """Sources that could not be read now."""

    @property
    def feeds(self) -> frozenset[str]:
        """Sources of which only the newest entries are seen."""

    def may_be_hidden(self, source: str, where: str) -> bool:
        """Whether an article of there may exist though it was not seen."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was known: articles by key, and the sources that were read before.

    ``sources`` are those that are configured; ``since``: articles of that instant or later are
    announced though they were there already.
    """

    known: Mapping[str, Record]
    read: frozenset[str]
    sources: frozenset[str]
    since: datetime | None = None


@dataclass(slots=True)
class Change:
    """Records to be kept, with the key each had; what maintainers are told; sources now read."""

    records: list[tuple[str, Record]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    read: frozenset[str] = frozenset()


def compare(before: Before, polled: Polled, now: float) -> Change:
    """What ``polled`` changes. ``now`` in Unix seconds."""
    articles = {article.key: article for article in reversed(polled.articles)}
    change = Change()
    movers = _Movers(before.known, articles)
    shorts = {record.short for record in before.known.values()}
    for article in articles.values():
        held = before.known.get(article.key) or movers.take(article)
        if held is None:
            record = _new(before, polled, article, now, shorts)
        elif before.since is None and held.article == article:
            continue
        else:
            record = _seen(before, held, article, now)
        if record != held:
            change.records.append((held.key if held else "", record))
    change.problems = _withdraw(before, polled, articles, movers.taken, change.records)
    change.read = (before.sources | {a.source for a in articles.values()}) - polled.failed
    return change


def _new(before: Before, polled: Polled, article: Article, now: float, shorts: set[str]) -> Record:
    at = datetime.fromtimestamp(now, UTC)
    old = article.source not in before.read or _returned(before, polled, article)
    old = old and article.shows(at) and not _since(before, article)
    short = article.short_key
    if short in shorts:  # of one that was at this address and moved
        short = short_key(f"{article.key} {now}")
    return Record(
        article.key, short, article, "baseline" if old else "waiting",
        article.state == "draft", first_seen_at=now,
    )  # fmt: skip


def _returned(before: Before, polled: Polled, article: Article) -> bool:
    """Whether an entry of a feed is older than all that were ever seen of it: one that came back
    into its window because a newer one was taken out.
    """
    if article.source not in polled.feeds or article.date is None:
        return False
    dates = [
        record.article.date for record in before.known.values()
        if record.article.source == article.source and record.article.date is not None
    ]  # fmt: skip
    return bool(dates) and article.date < min(dates)


def _seen(before: Before, held: Record, article: Article, now: float) -> Record:
    withdrawn = article.state == "draft"
    changed = article.fingerprint != held.article.fingerprint or withdrawn != held.withdrawn
    record = replace(
        held, key=article.key, article=article, withdrawn=withdrawn,
        settled=held.settled and not changed,
    )  # fmt: skip
    shows = article.shows(datetime.fromtimestamp(now, UTC))
    if held.state == "baseline" and shows and _since(before, article):
        return replace(record, state="waiting", settled=False)
    return record


def _since(before: Before, article: Article) -> bool:
    return before.since is not None and article.date is not None and article.date >= before.since


def _withdraw(
    before: Before,
    polled: Polled,
    articles: Mapping[str, Article],
    moved: set[str],
    records: list[tuple[str, Record]],
) -> list[Problem]:
    """Articles whose file is gone are withdrawn, unless so many are that it must be a mistake."""
    here: dict[str, int] = defaultdict(int)
    gone: dict[str, list[Record]] = defaultdict(list)
    for record in before.known.values():
        source = record.article.source
        if record.withdrawn or source not in before.sources or record.key in moved:
            continue
        here[source] += 1
        hidden = polled.may_be_hidden(source, record.article.where)
        if record.key not in articles and not hidden:
            gone[source].append(record)
    problems = []
    for source, missing in gone.items():
        if len(missing) >= MISTAKE_LEAST and len(missing) * 2 > here[source]:
            problems.append(_mistake(source, len(missing), here[source]))
            continue
        records += [(r.key, replace(r, withdrawn=True, settled=False)) for r in missing]
    return problems


def _mistake(source: str, gone: int, of: int) -> Problem:
    return Problem(
        source, source, 0,
        f"{gone} of its {of} articles are gone at once. That looks like a mistake, so their "
        "announcements are left as they are; put the files back, or take them out a few at a time.",
    )  # fmt: skip


class _Movers:
    """Known articles that may have gone on under another address: a renamed file, a moved feed.

    The same title, and the same slug or day, make it the same article.
    """

    def __init__(self, known: Mapping[str, Record], articles: Mapping[str, Article]) -> None:
        self.taken: set[str] = set()
        self._left: dict[str, list[Record]] = defaultdict(list)
        for key, record in known.items():
            if key not in articles:
                self._left[_title(record.article)].append(record)

    def take(self, article: Article) -> Record | None:
        """The record that ``article`` goes on, each at most once."""
        for record in self._left.get(_title(article), ()):
            if record.key not in self.taken and _same(record.article, article):
                self.taken.add(record.key)
                return record
        return None


def _same(one: Article, other: Article) -> bool:
    same_day = one.date is not None and other.date is not None and one.date == other.date
    return one.slug == other.slug or same_day


def _title(article: Article) -> str:
    return " ".join(article.title.casefold().split())


def oldest_first(records: Sequence[Record]) -> list[Record]:
    """In the order they are announced in: by day, those without one last."""
    far = float("inf")
    return sorted(records, key=lambda r: r.article.date.timestamp() if r.article.date else far)
