"""Kept answers; ``bot.results`` says what the columns mean."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``results``: JSON in text columns, times in Unix seconds, ids of Discord as decimal text."""
    texts = ("tool", "inputs", "door", "user_id", "guild_id", "channel_id", "message_id")
    table = db.table("results")
    table.create(
        {
            "id": str,
            **dict.fromkeys(texts, str),
            "request": str,
            "result": str,
            "refusal": str,
            "private": int,
            "delete_key_sha256": str,
            "created_at": float,
            "expires_at": float,
        },
        pk="id",
        not_null={*texts, "private", "delete_key_sha256", "created_at", "expires_at"},
        strict=True,
    )
    table.create_index(["expires_at"])
    table.create_index(["user_id", "created_at"])
