"""Effects on the outside world; ``bot.outbox`` says what the columns mean."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``outbox``: one row an effect; JSON in text columns, times in Unix seconds."""
    texts = ("kind", "payload", "after", "state", "receipt", "reason")
    times = ("after_until", "due_at", "first_at", "attempted_at", "created_at", "ended_at")
    db.table("outbox").create(
        {"key": str, **dict.fromkeys(texts, str), "attempts": int, **dict.fromkeys(times, float)},
        pk="key",
        not_null={*texts, "attempts", *times},
        strict=True,
    )
    # Rows are kept so that nothing is done twice; only the few that are not over are ever sought.
    db.conn.execute(
        "CREATE INDEX outbox_open ON outbox (kind, due_at) WHERE state IN ('waiting', 'unknown')"
    )
