"""Effects that are over and still hold what was sent, so that it can be let go of in time."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """An index of those alone; ``bot.effects.let_go`` asks in the same words."""
    db.conn.execute(
        "CREATE INDEX outbox_full ON outbox (ended_at) WHERE ended_at > 0 AND payload != '{}'"
    )
