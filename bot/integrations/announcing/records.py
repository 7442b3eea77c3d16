"""Articles and their posts as rows: what was seen of each, and what was last asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bot import effects
from bot.effects import Told
from content.sources.article import Article

if TYPE_CHECKING:
    from sqlite_utils import Database

Standing = Literal["baseline", "waiting", "announced", "skipped"]
Place = str  # GITHUB, LABELS, or the id of a Discord channel

GITHUB, LABELS = "gh", "labels"
ADOPTED = "adopted"  # ``Record.by`` of what was found posted by a database that is lost

RECORD = """key, short, article, fingerprint, state, withdrawn, settled, first_seen_at,
    announced_at, by"""
PUT_RECORD = f"INSERT OR REPLACE INTO articles ({RECORD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
POST = "target, short, place, guild_id, version, digest, last, thread"
PUT_POST = f"INSERT OR REPLACE INTO posts ({POST}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Record:
    """An article and where it stands.

    ``short`` names it in keys of effects and stays when the article moves to another address.
    ``baseline``: it was there before we looked first, and is never announced by itself;
    ``waiting``: to be announced once readers may see it. ``settled``: nothing is left to be done
    for it until it changes. ``by``: who published or skipped it; ``ADOPTED``.
    """

    key: str
    short: str
    article: Article
    state: Standing
    withdrawn: bool = False
    settled: bool = False
    first_seen_at: float = 0.0
    announced_at: float = 0.0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """One place where an article is shown.

    ``target`` is the key of the effect that creates it, ``last`` that of the one that was enqueued
    last, ``digest`` what it shows after that; ``version`` counts edits. ``thread``: a thread is
    wanted under it.
    """

    target: str
    short: str
    place: Place
    guild_id: str = ""
    version: int = 0
    digest: str = ""
    last: str = ""
    thread: bool = False

    @property
    def base(self) -> str:
        """What the keys of its effects begin with."""
        return self.target.rpartition(":")[0]


def github_target(short: str) -> str:
    """The key of the effect that creates an article's Discussion."""
    return f"gh:{short}:new"


def labels_target(short: str) -> str:
    """What the keys of its labels begin with."""
    return f"gh:{short}:label:0"


def channel_target(channel_id: str, short: str) -> str:
    """The key of the effect that posts an article in a channel."""
    return f"dc:{channel_id}:{short}:new"


def all_records(db: Database) -> list[Record]:
    """Every article that was ever seen."""
    return [_record(row) for row in db.conn.execute(f"SELECT {RECORD} FROM articles").fetchall()]


def record_of(db: Database, short: str) -> Record | None:
    """The article of that short key."""
    sql = f"SELECT {RECORD} FROM articles WHERE short = ?"
    row = db.conn.execute(sql, [short]).fetchone()
    return _record(row) if row is not None else None


def posts_of(db: Database, short: str) -> list[Post]:
    """The places where that article is or will be shown, in the order they were decided."""
    sql = f"SELECT {POST} FROM posts WHERE short = ? ORDER BY rowid"
    return [_post(row) for row in db.conn.execute(sql, [short]).fetchall()]


def keys_of(posts: Iterable[Post]) -> set[str]:
    """The keys of all effects that say how these posts stand."""
    ends = ("new", "crosspost", "thread")
    return {f"{p.base}:{end}" for p in posts for end in ends} | {p.last for p in posts if p.last}


def told_of(db: Database, posts: Iterable[Post]) -> dict[str, Told]:
    """How the effects of these posts stand; one that was not enqueued is left out."""
    rows = ((key, effects.row_of(db, key)) for key in keys_of(posts))
    return {key: row.told for key, row in rows if row is not None}


def forget(db: Database, key: str) -> None:
    """Free the key of an article that goes on under another one."""
    db.conn.execute("DELETE FROM articles WHERE key = ?", [key])


def put_record(db: Database, record: Record) -> None:
    """Keep it as it is now."""
    values = [
        record.key, record.short, record.article.model_dump_json(), record.article.fingerprint,
        record.state, int(record.withdrawn), int(record.settled), record.first_seen_at,
        record.announced_at, record.by,
    ]  # fmt: skip
    db.conn.execute(PUT_RECORD, values)


def put_post(db: Database, post: Post) -> None:
    """Keep it as it is now."""
    held = db.conn.execute(
        "UPDATE posts SET version = ?, digest = ?, last = ?, thread = ? WHERE target = ?",
        [post.version, post.digest, post.last, int(post.thread), post.target],
    )
    if held.rowcount == 0:  # not REPLACE, which would move it to the end of the order
        values = [
            post.target, post.short, post.place, post.guild_id, post.version, post.digest,
            post.last, int(post.thread),
        ]  # fmt: skip
        db.conn.execute(PUT_POST, values)


def _record(row: tuple[Any, ...]) -> Record:
    key, short, article, _, state, withdrawn, settled, seen, announced, by = row
    return Record(
        key, short, Article.model_validate_json(article), state, bool(withdrawn), bool(settled),
        seen, announced, by,
    )  # fmt: skip


def _post(row: tuple[Any, ...]) -> Post:
    target, short, place, guild_id, version, digest, last, thread = row
    return Post(target, short, place, guild_id, version, digest, last, bool(thread))
