"""The changes that announcing makes in the database, each whole or not at all.

A decision and the effects it wants are one change: a process that dies has made both or neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot import effects
from bot.effects import Told
from bot.integrations.announcing import finding
from bot.integrations.announcing.adoption import Found, adopt
from bot.integrations.announcing.diff import Change
from bot.integrations.announcing.plan import Planned, is_due, is_settled, next_effects, targets
from bot.integrations.announcing.problems import identity, told_effects
from bot.integrations.announcing.records import (
    Post,
    Record,
    Standing,
    all_records,
    forget,
    posts_of,
    put_post,
    put_record,
    record_of,
    told_of,
)
from bot.integrations.announcing.scene import Places
from content.sources.article import Problem

if TYPE_CHECKING:
    from sqlite_utils import Database

READ, PROBLEMS, SINCE = "announce.read", "announce.problems", "announce.since"
NOWHERE_S = 7 * 86_400.0  # an article that nobody configured a place for is old news after that

Wheres = Mapping[str | None, Places]


@dataclass(slots=True)
class Loaded:
    """All that is kept between runs."""

    records: list[Record] = field(default_factory=list)
    read: frozenset[str] = frozenset()
    found: list[tuple[str, str]] = field(default_factory=list)
    since: str = ""


@dataclass(slots=True)
class Made:
    """What a change made: records as they are now, and what it enqueued for which of them."""

    records: dict[str, Record] = field(default_factory=dict)
    planned: list[tuple[Record, Planned]] = field(default_factory=list)


def load(db: Database) -> Loaded:
    """Everything, at the start."""
    read = fact(db, READ)
    return Loaded(
        all_records(db), frozenset(json.loads(read or "[]")), finding.facts_of(db), fact(db, SINCE)
    )


def take(
    db: Database, change: Change, read: frozenset[str], found: Sequence[Found], wheres: Wheres,
    now: float,
) -> Made:  # fmt: skip
    """Keep what a look at the sources changed; new articles that stand outside are adopted."""
    for was, record in change.records:
        if was and was != record.key:  # first, as another article may go on under that address
            forget(db, was)
    for _, record in change.records:
        put_record(db, record)
    put_fact(db, READ, json.dumps(sorted(read)))
    made = Made({record.short: record for _, record in change.records})
    fresh = [record for was, record in change.records if not was]
    if found and fresh:
        made.records |= _adopt(db, fresh, found, wheres, now)
    return made


def know(
    db: Database, places: Mapping[str, list[Found]], every: Sequence[Found], wheres: Wheres,
    now: float,
) -> Made:  # fmt: skip
    """Keep what stands in ``places``, and adopt what of it is an article's."""
    for place, found in places.items():
        finding.keep(db, place, found)
    return Made(_adopt(db, all_records(db), every, wheres, now))


def announce(db: Database, shorts: Iterable[str], wheres: Wheres, now: float) -> Made:
    """Begin to announce those that are due still."""
    made = Made()
    for short in shorts:
        record = record_of(db, short)
        if record is None or not is_due(record, now):
            continue
        where = wheres[record.article.topic]
        held = {post.target for post in posts_of(db, short)}
        wanted = targets(record, where)
        if not wanted and not held:
            if is_old_news(record, now):
                made.records[short] = replace(record, state="baseline")
                put_record(db, made.records[short])
            continue
        for post in wanted:
            if post.target not in held:
                put_post(db, post)
        record = replace(record, state="announced", announced_at=now, settled=False)
        _plan_one(db, record, where, now, made)
    return made


def plan(db: Database, shorts: Iterable[str], wheres: Wheres, now: float) -> Made:
    """Enqueue what is to be done next for each."""
    made = Made()
    for short in shorts:
        record = record_of(db, short)
        if record is not None:
            _plan_one(db, record, wheres[record.article.topic], now, made)
    return made


def decide(db: Database, short: str, state: Standing, by: str) -> Record | None:
    """A maintainer's word: "waiting" publishes it now, "skipped" never. None where it is too late
    or the article is not known.
    """
    record = record_of(db, short)
    if record is None or record.state == "announced":
        return None
    record = replace(record, state=state, by=by, settled=False)
    put_record(db, record)
    return record


def tell(
    db: Database, problems: Sequence[Problem], channels: Sequence[tuple[str, str]], now: float
) -> int:
    """Tell of each problem that was not told; one that is repaired may be told again. How many
    were told.
    """
    told = set(json.loads(fact(db, PROBLEMS) or "[]"))
    standing = {identity(problem): problem for problem in problems}
    fresh = [problem for key, problem in standing.items() if key not in told]
    kept = (told & standing.keys()) | ({identity(p) for p in fresh} if channels else set())
    if kept != told:
        put_fact(db, PROBLEMS, json.dumps(sorted(kept)))
    if not fresh or not channels:
        return 0
    for effect in told_effects(fresh, channels, now):
        effects.enqueue(db, effect, now)
    return len(fresh)


def stands(db: Database, short: str) -> tuple[list[Post], Mapping[str, Told]]:
    """The posts of an article and how their effects stand."""
    posts = posts_of(db, short)
    return posts, told_of(db, posts)


def fact(db: Database, key: str) -> str:
    """The value kept under ``key``, "" for none."""
    row = db.conn.execute("SELECT value FROM facts WHERE key = ?", [key]).fetchone()
    return str(row[0]) if row else ""


def put_fact(db: Database, key: str, value: str) -> None:
    """Keep ``value`` under ``key``."""
    db.table("facts").insert({"key": key, "value": value}, pk="key", replace=True)


def is_old_news(record: Record, now: float) -> bool:
    """Whether it waited too long for somebody to configure a place for it."""
    return not record.by and now - record.first_seen_at > NOWHERE_S


def _plan_one(db: Database, record: Record, where: Places, now: float, made: Made) -> None:
    posts, told = stands(db, record.short)
    planned = next_effects(record, posts, told, where, now)
    for one in planned:
        effects.enqueue(db, one.effect, now)
        put_post(db, one.post)
    settled = not planned and is_settled(record, posts, told, where)
    record = replace(record, settled=settled)
    put_record(db, record)
    made.records[record.short] = record
    made.planned += [(record, one) for one in planned]


def _adopt(
    db: Database, records: Sequence[Record], found: Sequence[Found], wheres: Wheres, now: float
) -> dict[str, Record]:
    held = {record.short: posts_of(db, record.short) for record in records}
    adopting = adopt(records, held, found, wheres, now, lambda posts: told_of(db, posts))
    for record in adopting.records:
        put_record(db, record)
    for post in adopting.posts:
        put_post(db, post)
    for effect, receipt in adopting.effects:
        effects.adopt(db, effect, receipt, now)
    return {record.short: record for record in adopting.records}
