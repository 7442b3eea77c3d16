"""What was last read of each article source, so that one that is down keeps its articles."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``article_sources``: one row a source of K2C_ARTICLES, its state as JSON."""
    db.table("article_sources").create(
        {"source": str, "state": str}, pk="source", not_null={"state"}, strict=True
    )
