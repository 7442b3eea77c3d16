"""What would be posted and why: the same decisions, made on a copy of the database.

Each effect is taken for done as soon as it is decided, so that what follows it shows too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from bot import effects
from bot.effects import Effect, Receipt, Told
from bot.integrations.announcing import book
from bot.integrations.announcing.diff import Before, Polled, compare, oldest_first
from bot.integrations.announcing.plan import is_due
from bot.integrations.announcing.records import Record, all_records
from bot.integrations.announcing.where import Wheres
from content.sources.article import Problem

if TYPE_CHECKING:
    from sqlite_utils import Database

STEPS = 10  # creation, what hangs on it, an edit for the links: three are enough
OPEN = "SELECT key FROM outbox WHERE state IN ('waiting', 'unknown') ORDER BY rowid"
THERE = "its address"


@dataclass(frozen=True, slots=True)
class Step:
    """One effect on the outside: for which article, and why."""

    record: Record
    effect: Effect
    reason: str


@dataclass(slots=True)
class Forecast:
    """What would be done now, what waits for its day, and what is wrong with the sources."""

    steps: list[Step] = field(default_factory=list)
    later: list[Record] = field(default_factory=list)
    nowhere: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    articles: int = 0


def forecast(
    db: Database,
    polled: Polled,
    sources: frozenset[str],
    where: Callable[[set[str | None]], Wheres],
    since: datetime | None,
    now: float,
) -> Forecast:
    """What the bot would do with this database and what was found. Changes ``db``: give a copy."""
    loaded = book.load(db)
    if since is None and loaded.since:
        since = datetime.fromisoformat(loaded.since)
    known = {record.key: record for record in loaded.records}
    change = compare(Before(known, loaded.read, sources, since), polled, now)
    topics = {r.article.topic for r in loaded.records} | {a.topic for a in polled.articles}
    wheres = where(topics)
    made = Forecast(problems=[*polled.problems, *change.problems], articles=len(polled.articles))
    book.take(db, change, loaded.read | change.read, [], wheres, now)
    _decided_before(db, made)
    due = oldest_first([record for record in all_records(db) if is_due(record, now)])
    first = book.announce(db, [record.short for record in due], wheres, now)
    _follow(db, made, first, wheres, now)
    waiting = [r for r in all_records(db) if r.state == "waiting" and not r.withdrawn]
    made.nowhere = [record for record in waiting if is_due(record, now)]
    made.later = oldest_first([
        record for record in waiting
        if not is_due(record, now) and record.article.state != "draft"
    ])  # fmt: skip
    return made


def _decided_before(db: Database, made: Forecast) -> None:
    by_short = {record.short: record for record in all_records(db)}
    for (key,) in db.conn.execute(OPEN).fetchall():
        row = effects.row_of(db, str(key))
        place, *rest = str(key).split(":")
        record = by_short.get(rest[0] if place == "gh" else "".join(rest[1:2]))
        if row is None or record is None:
            continue
        why = f"decided before, not done yet: {row.told.reason or 'it is in the queue'}"
        made.steps.append(Step(record, row.effect, why))
        _done(db, row.effect)


def _follow(db: Database, made: Forecast, first: book.Made, wheres: Wheres, now: float) -> None:
    planned = first.planned
    for _ in range(STEPS):
        for record, one in planned:
            made.steps.append(Step(record, one.effect, one.reason))
            _done(db, one.effect)
        open_still = [r.short for r in all_records(db) if r.state == "announced" and not r.settled]
        planned = book.plan(db, open_still, wheres, now).planned
        if not planned:
            return


def _done(db: Database, effect: Effect) -> None:
    effects.settle(db, effect.key, Told("sent", _receipt(effect), "", 1), 0.0, 1.0)


def _receipt(effect: Effect) -> Receipt:
    here = f"https://discord.com/channels/#{THERE}"
    match effect.kind:
        case "github.discussion":
            return {"id": "-", "url": f"https://github.com/#{THERE}"}
        case "discord.post":
            place = str(effect.payload["channel_id"])
            return {"channel_id": place, "message_id": "0", "thread_id": "", "url": here}
        case "discord.thread":
            return {"url": here}
        case _:
            return {}
