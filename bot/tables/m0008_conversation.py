"""What people do on GitHub, and the notices of it; ``bot.integrations.conversation.ledger`` says
what the columns mean.
"""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``talks``, ``notices`` and ``deliveries``; times in Unix seconds."""
    texts = ("node_id", "title", "url", "category", "author", "excerpt", "state")
    told = ("answer", "remark")
    flags = ("own", "comments", "dirty", "answer_told")
    times = ("created_at", "updated_at", "news_at")
    columns = {
        **dict.fromkeys((*texts, *told), str),
        **dict.fromkeys(flags, int),
        **dict.fromkeys(times, float),
    }
    db.table("talks").create(
        {"number": int, **columns}, pk="number", not_null=set(columns), strict=True
    )
    notices = {
        **dict.fromkeys(("channel_id", "guild_id", "numbers", "digest"), str),
        "version": int,
        **dict.fromkeys(("created_at", "edited_at"), float),
    }
    db.table("notices").create(
        {"key": str, **notices}, pk="key", not_null=set(notices), strict=True
    )
    db.table("deliveries").create({"guid": str, "at": float}, pk="guid", strict=True)
    db.conn.execute("CREATE INDEX talks_dirty ON talks (number) WHERE dirty = 1")
    db.conn.execute("CREATE INDEX notices_channel ON notices (channel_id, created_at)")
    db.conn.execute("CREATE INDEX deliveries_at ON deliveries (at)")
