"""Discussions and their notices as rows: what changed is dirty until every notice shows it."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot import effects
from bot.community.words import ChannelSetting
from bot.effects import Effect, enqueue
from bot.integrations.conversation.cards import MOST, notice_card
from bot.integrations.conversation.merging import merge
from bot.integrations.conversation.seen import Remark, Seen
from bot.posting import ChannelPost, MessageEdit

if TYPE_CHECKING:
    from sqlite_utils import Database

Channels = Callable[[Seen], Sequence[ChannelSetting]]

FRESH_S = 86_400.0  # news on an older notice get a new one: nobody sees an edit far above
EDIT_EVERY_S = 15.0  # of one notice; a lively thread would be an edit for every comment
SEPARATE = 3  # notices of their own in a channel in a minute; the rest is gathered
GATHER_S = 60.0
DELIVERIES_S = 4 * 86_400.0  # GitHub redelivers for three days
NOTICES_S = 90 * 86_400.0

MOST_ROWS = 500  # looked at in one go
COLUMNS = (
    "number, node_id, title, url, category, author, own, excerpt, state, comments, created_at,"
    " updated_at, answer, remark, dirty, news_at"
)
UPSERT = f"INSERT OR REPLACE INTO talks ({COLUMNS}, answer_told) VALUES ({'?, ' * 16}?)"
DIRTY = f"SELECT {COLUMNS} FROM talks WHERE dirty = 1 ORDER BY created_at LIMIT {MOST_ROWS}"
COVERING = """SELECT notices.key, guild_id, numbers, digest, version, created_at, edited_at
    FROM notices, json_each(notices.numbers) WHERE channel_id = ? AND json_each.value = ?
    ORDER BY created_at DESC, notices.rowid DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message in a channel; ``digest`` of the card it was last given."""

    key: str
    guild_id: str
    numbers: tuple[int, ...]
    digest: str
    version: int
    created_at: float
    edited_at: float


def record(db: Database, seen: Seen, guid: str, baseline: float, now: float) -> bool:
    """Keep what a delivery or a list tells; False for a delivery that came before."""
    if guid:
        added = db.conn.execute("INSERT OR IGNORE INTO deliveries VALUES (?, ?)", [guid, now])
        if added.rowcount == 0:
            return False
    found = db.conn.execute(
        f"SELECT {COLUMNS}, answer_told FROM talks WHERE number = ?", [seen.number]
    ).fetchone()
    old = _seen(found) if found else None
    merged, news = merge(old, seen, baseline)
    if old == merged and not news:
        return True
    news_at = now if news else (found[15] if found else 0.0)
    answer_told = found[16] if found and _id(old) == _id(merged) else 0
    values = [*_values(merged), 1, news_at, answer_told]
    db.conn.execute(UPSERT, values)
    return True


def flush(db: Database, channels: Channels, now: float) -> bool:
    """Enqueue what notices should say; True when something has to wait for its turn."""
    rows = [(_seen(row), row[15]) for row in db.conn.execute(DIRTY).fetchall()]
    fresh: dict[ChannelSetting, list[Seen]] = {}
    changed: dict[str, tuple[ChannelSetting, Notice]] = {}
    for seen, news_at in rows:
        for channel in channels(seen):
            notice = _covering(db, channel.channel_id, seen.number)
            if news_at > (notice.created_at + FRESH_S if notice else 0.0):
                fresh.setdefault(channel, []).append(seen)
            elif notice is not None:
                changed[notice.key] = (channel, notice)
    left: set[int] = set()
    for channel, discussions in fresh.items():
        left.update(_begin(db, channel, discussions, now))
    for channel, notice in changed.values():
        left.update(() if _edit(db, channel, notice, now) else notice.numbers)
    for seen, _ in rows:
        if seen.number not in left:
            # Told, or nobody wants to hear of it: it is no news for a channel set up later.
            db.conn.execute(
                "UPDATE talks SET dirty = 0, news_at = 0 WHERE number = ?", [seen.number]
            )
    return bool(left) or len(rows) == MOST_ROWS


def _begin(
    db: Database, channel: ChannelSetting, discussions: list[Seen], now: float
) -> Sequence[int]:
    """New notices in a channel; the numbers of those that wait to be gathered."""
    room = SEPARATE - _recent(db, channel.channel_id, now)
    if len(discussions) <= room:
        groups = [[one] for one in discussions]
    elif room > 0:
        groups = [discussions[start : start + MOST] for start in range(0, len(discussions), MOST)]
    else:
        return [one.number for one in discussions]
    for group in groups[:SEPARATE]:
        _add(db, channel, group, now)
    return [one.number for group in groups[SEPARATE:] for one in group]


def _add(db: Database, channel: ChannelSetting, group: list[Seen], now: float) -> None:
    first, place = group[0].number, channel.channel_id
    card = notice_card(group)
    post = ChannelPost(
        channel_id=place, guild_id=channel.guild_id, card=card, purpose="discussions"
    )
    key = _free_key(db, f"dc:{place}:disc:{first}")
    numbers = json.dumps([one.number for one in group])
    db.conn.execute(
        "INSERT INTO notices (key, channel_id, guild_id, numbers, digest, version, created_at,"
        " edited_at) VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
        [key, place, channel.guild_id, numbers, card.digest, now, now],
    )
    enqueue(db, Effect(key, "discord.post", post.payload()), now)


def _free_key(db: Database, base: str) -> str:
    """The first that no effect had: notices are forgotten in time, what was posted never is."""
    keys = (f"{base}:{count}" for count in itertools.count())
    return next(key for key in keys if effects.row_of(db, key) is None)


def _edit(db: Database, channel: ChannelSetting, notice: Notice, now: float) -> bool:
    """Bring a notice up to date; False where that has to wait."""
    shown = [s for number in notice.numbers if (s := known(db, number)) is not None]
    card = notice_card(shown)
    if card.digest == notice.digest:
        return True
    posted = effects.row_of(db, notice.key)
    if posted is None or posted.told.state == "never":
        return True
    last = effects.row_of(db, f"{notice.key}:edit:{notice.version}")
    under_way = last is not None and last.told.state in ("waiting", "unknown")
    if posted.told.state != "sent" or under_way or now < notice.edited_at + EDIT_EVERY_S:
        return False
    edit = MessageEdit(
        channel_id=str(posted.told.receipt["channel_id"]),
        message_id=str(posted.told.receipt["message_id"]),
        guild_id=channel.guild_id,
        card=card,
    )
    key = f"{notice.key}:edit:{notice.version + 1}"
    db.conn.execute(
        "UPDATE notices SET digest = ?, version = version + 1, edited_at = ? WHERE key = ?",
        [card.digest, now, notice.key],
    )
    return enqueue(db, Effect(key, "discord.edit", edit.payload()), now)


def known(db: Database, number: int) -> Seen | None:
    """What is known of that discussion."""
    found = db.conn.execute(f"SELECT {COLUMNS} FROM talks WHERE number = ?", [number]).fetchone()
    return _seen(found) if found else None


def untold_answers(db: Database) -> list[Seen]:
    """Discussions with an answer that was not yet brought to where they came from."""
    rows = db.conn.execute(
        f"SELECT {COLUMNS} FROM talks WHERE answer != '' AND answer_told = 0 LIMIT 100"
    ).fetchall()
    return [_seen(row) for row in rows]


def answer_told(db: Database, seen: Seen) -> bool:
    """That answer is brought to where the discussion came from; False where it is its answer no
    longer.
    """
    sql = "UPDATE talks SET answer_told = 1 WHERE number = ? AND answer = ?"
    return db.conn.execute(sql, [seen.number, _text(seen.answer)]).rowcount > 0


def kept_fact(db: Database, key: str, value: str) -> str:
    """The value kept under ``key``, which is ``value`` where there was none."""
    db.conn.execute("INSERT OR IGNORE INTO facts (key, value) VALUES (?, ?)", [key, value])
    sql = "SELECT value FROM facts WHERE key = ?"
    return str(db.conn.execute(sql, [key]).fetchone()[0])


def purge(db: Database, now: float) -> None:
    """Forget deliveries and notices that can no longer matter."""
    db.conn.execute("DELETE FROM deliveries WHERE at < ?", [now - DELIVERIES_S])
    db.conn.execute("DELETE FROM notices WHERE created_at < ?", [now - NOTICES_S])


def _recent(db: Database, channel_id: str, now: float) -> int:
    sql = "SELECT COUNT(*) FROM notices WHERE channel_id = ? AND created_at > ?"
    return int(db.conn.execute(sql, [channel_id, now - GATHER_S]).fetchone()[0])


def _covering(db: Database, channel_id: str, number: int) -> Notice | None:
    found = db.conn.execute(COVERING, [channel_id, number]).fetchone()
    if found is None:
        return None
    key, guild_id, numbers, *rest = found
    return Notice(key, guild_id, tuple(json.loads(numbers)), *rest)


def _values(seen: Seen) -> list[Any]:
    row = dataclasses.asdict(seen)
    texts = [_text(seen.answer), _text(seen.remark)]
    names = [name.strip() for name in COLUMNS.split(",")][:12]
    return [int(row[n]) if n == "own" else row[n] for n in names] + texts


def _seen(row: Sequence[Any]) -> Seen:
    number, node_id, title, url, category, author, own, excerpt, state, comments = row[:10]
    created_at, updated_at, answer, remark = row[10:14]
    return Seen(
        number, node_id, title, url, category, author, bool(own), excerpt, state, comments,
        created_at, updated_at, _remark(answer), True, _remark(remark),
    )  # fmt: skip


def _text(remark: Remark | None) -> str:
    return remark.model_dump_json() if remark else ""


def _remark(text: str) -> Remark | None:
    return Remark.model_validate_json(text) if text else None


def _id(seen: Seen | None) -> str:
    return seen.answer.id if seen is not None and seen.answer is not None else ""
