"""Articles that were seen and what was posted of them; ``bot.integrations.announcing.records``
says what the columns mean.
"""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``articles`` and ``posts``; times in Unix seconds, ``article`` is JSON."""
    texts = ("short", "article", "fingerprint", "state", "by")
    times = ("first_seen_at", "announced_at")
    db.table("articles").create(
        {
            "key": str,
            **dict.fromkeys(texts, str),
            **dict.fromkeys(("withdrawn", "settled"), int),
            **dict.fromkeys(times, float),
        },
        pk="key",
        not_null={*texts, "withdrawn", "settled", *times},
        strict=True,
    )
    posted = ("short", "place", "guild_id", "digest", "last")
    db.table("posts").create(
        {"target": str, **dict.fromkeys(posted, str), "version": int, "thread": int},
        pk="target",
        not_null={*posted, "version", "thread"},
        strict=True,
    )
    db.conn.execute("CREATE UNIQUE INDEX articles_short ON articles (short)")
    db.conn.execute("CREATE INDEX posts_short ON posts (short)")
