"""What was posted by whom, as rows: for limits, for the link back, and so that nothing is twice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

from bot.discussing import Origin
from content.sources.article import short_key

if TYPE_CHECKING:
    from sqlite_utils import Database

Kind = Literal["result", "chat", "adopted"]
State = Literal["posting", "posted", "failed"]

DRAFT_LIFE_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Post:
    """One post. ``about`` is a result's or a message's id; ``channel_id`` and ``message_id`` are
    the message in Discord that it comes from ("" = none that others see). ``told``: that message,
    if it is an answer of ours, says so. ``asked_by``: the name of who asked for an answer.
    ``created_at``: Unix seconds.
    """

    key: str
    kind: Kind
    about: str
    guild_id: str
    channel_id: str
    message_id: str
    by_id: str
    by_name: str
    title: str
    category: str
    created_at: float
    state: State = "posting"
    number: int = 0
    discussion_id: str = ""
    url: str = ""
    reason: str = ""
    told: int = 0
    asked_by: str = ""


COLUMNS = tuple(field.name for field in fields(Post))
SELECT = f"SELECT {', '.join(COLUMNS)} FROM discussed"
REPLACE = f"""INSERT OR REPLACE INTO discussed ({", ".join(COLUMNS)})
    VALUES ({", ".join("?" * len(COLUMNS))})"""


def adopted_key(key: str) -> str:
    """Under which a post is kept that was found on GitHub, where only the short key is known."""
    return f"short:{short_key(key)}"


def post_of(db: Database, key: str) -> Post | None:
    """The post of that effect, also one that an earlier database knew of."""
    sql = f"{SELECT} WHERE key IN (?, ?) ORDER BY kind = 'adopted'"
    row = db.conn.execute(sql, [key, adopted_key(key)]).fetchone()
    return Post(*row) if row else None


def keep(db: Database, post: Post) -> None:
    """Write ``post`` in place of what was there."""
    db.conn.execute(REPLACE, [asdict(post)[name] for name in COLUMNS])


def times_of(db: Database, guild_id: str, by_id: str, since: float) -> list[float]:
    """When somebody posted since then, the oldest first; what failed does not count."""
    sql = """SELECT created_at FROM discussed WHERE guild_id = ? AND by_id = ? AND created_at > ?
        AND state != 'failed' ORDER BY created_at"""
    return [row[0] for row in db.conn.execute(sql, [guild_id, by_id, since]).fetchall()]


def posting(db: Database) -> list[Post]:
    """Posts whose end is not written down yet, the oldest first."""
    sql = f"{SELECT} WHERE state = 'posting' ORDER BY created_at"
    return [Post(*row) for row in db.conn.execute(sql).fetchall()]


def untold(db: Database) -> list[Post]:
    """Posted results whose answers do not say so yet."""
    sql = f"{SELECT} WHERE state = 'posted' AND told = 0 AND kind = 'result'"
    return [Post(*row) for row in db.conn.execute(sql).fetchall()]


def set_told(db: Database, key: str) -> None:
    """The answer says so."""
    db.conn.execute("UPDATE discussed SET told = 1 WHERE key = ?", [key])


def origin(db: Database, number: int, discussion_id: str) -> Origin | None:
    """Where a Discussion comes from; None where that is no message in Discord."""
    sql = """SELECT guild_id, channel_id, message_id FROM discussed WHERE message_id != '' AND
        ((number = ? AND number > 0) OR (discussion_id = ? AND discussion_id != ''))"""
    row = db.conn.execute(sql, [number, discussion_id]).fetchone()
    return Origin(*row) if row else None


def keep_draft(db: Database, token: str, chat: str, now: float) -> None:
    """Keep a message (JSON) for a day; those of earlier days go."""
    db.conn.execute("DELETE FROM discuss_drafts WHERE created_at < ?", [now - DRAFT_LIFE_S])
    db.conn.execute("INSERT INTO discuss_drafts VALUES (?, ?, ?)", [token, chat, now])


def draft_of(db: Database, token: str, now: float) -> str | None:
    """The message (JSON) kept under ``token`` while its day lasts."""
    sql = "SELECT chat FROM discuss_drafts WHERE token = ? AND created_at >= ?"
    row = db.conn.execute(sql, [token, now - DRAFT_LIFE_S]).fetchone()
    return row[0] if row else None
