"""Who asked for an answer that somebody posted to Discussions, by name."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``discussed.asked_by``, "" where it is not known."""
    db.table("discussed").add_column("asked_by", str, not_null_default="")
