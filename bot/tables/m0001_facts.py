"""Small things to remember between runs, such as the hash of the commands Discord has."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``facts``: one value a key."""
    db.table("facts").create({"key": str, "value": str}, pk="key", not_null={"value"}, strict=True)
