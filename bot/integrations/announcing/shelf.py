"""The articles in memory: what is known of each, and which are to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.command import Choice
from bot.integrations.announcing.diff import oldest_first
from bot.integrations.announcing.plan import is_due
from bot.integrations.announcing.records import Record

NAME = 100  # characters of a suggestion
AGAIN = 50  # unsettled articles looked at again each time, which is 50 ms of the writer's time


class Shelf:
    """Records by short key. It mirrors the database: what changes there is held here after."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._dirty: dict[str, None] = {}  # in the order they are to be looked at
        self._open: dict[str, None] = {}  # announced and not settled
        self._waiting: dict[str, Record] = {}  # few of many, and asked for with every step
        self._topics: set[str | None] = set()

    def hold(self, records: Mapping[str, Record]) -> None:
        """These are as they are now."""
        self._records |= records
        for short, record in records.items():
            self._topics.add(record.article.topic)
            self._waiting.pop(short, None)
            if record.state == "waiting":
                self._waiting[short] = record
            if record.state == "announced" and not record.settled:
                self._open.setdefault(short)
            else:
                self._open.pop(short, None)

    def stir(self, shorts: Iterable[str]) -> None:
        """These are to be looked at, as far as they are known and announced."""
        for short in shorts:
            record = self._records.get(short)
            if record is not None and record.state == "announced":
                self._dirty[short] = None

    def stir_open(self) -> None:
        """All that is not settled is to be looked at."""
        self.stir(self._open)

    def stir_topics(self, topics: set[str | None]) -> None:
        """All of these topics is to be looked at."""
        self.stir(s for s, r in self._records.items() if r.article.topic in topics)

    def stirred(self) -> list[str]:
        """What is to be looked at now, and some of what is open, each in its turn."""
        again = list(self._open)[:AGAIN]
        for short in again:
            self._open[short] = self._open.pop(short)
        found = list(self._dirty | dict.fromkeys(again))
        self._dirty.clear()
        return found

    def due(self, now: float) -> list[Record]:
        """What is to be announced now, the oldest first."""
        return oldest_first([r for r in self._waiting.values() if is_due(r, now)])

    def next_due(self, now: float) -> float:
        """When the next one that waits for its day is due, Unix seconds."""
        dates = (
            r.article.date.timestamp() for r in self._waiting.values() if r.article.date is not None
        )  # fmt: skip
        return min((date for date in dates if date > now), default=float("inf"))

    def by_key(self) -> dict[str, Record]:
        """Every record by the article's key."""
        return {record.key: record for record in self._records.values()}

    def topic(self, short: str) -> str | None:
        """The topic of the article that is known."""
        return self._records[short].article.topic

    def topics(self) -> set[str | None]:
        """The topics that articles have or had."""
        return set(self._topics)

    def find(self, short: str) -> Record | None:
        """The article of that short key: the one its posts go by, or that of its address."""
        record = self._records.get(short)
        if record is not None:
            return record
        return next((r for r in self._records.values() if r.article.short_key == short), None)

    def choices(self) -> list[Choice]:
        """Articles that could be announced, newest first, those without a date last."""
        found = [record for record in self._records.values() if not _standing(record)]
        return [(record.article.title[:NAME], record.short) for record in _newest_first(found)]

    def others(self) -> list[Choice]:
        """All other articles, newest first, with a word that says why."""
        found = [record for record in self._records.values() if _standing(record)]
        return [
            (f"{r.article.title[: NAME - 20]} ({_standing(r)})", r.short)
            for r in _newest_first(found)
        ]


def _standing(record: Record) -> str:
    """Why it cannot be announced now; "" where it can."""
    if record.state != "announced" and record.article.state == "draft":
        return "draft"
    if record.withdrawn:
        return "withdrawn"
    return "announced" if record.state == "announced" else ""


def _newest_first(records: list[Record]) -> list[Record]:
    """By day, those without one last."""
    dated = oldest_first([record for record in records if record.article.date is not None])
    return [*reversed(dated), *(record for record in records if record.article.date is None)]
