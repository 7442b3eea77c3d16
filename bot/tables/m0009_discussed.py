"""What members posted to Discussions; ``bot.integrations.discuss.ledger`` says what it means."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``discussed``: one row a post. ``discuss_drafts``: messages whose form is still open."""
    texts = (
        *("kind", "about", "guild_id", "channel_id", "message_id", "by_id", "by_name"),
        *("title", "category", "state", "discussion_id", "url", "reason"),
    )
    posts = db.table("discussed")
    posts.create(
        {"key": str, **dict.fromkeys(texts, str), "number": int, "told": int, "created_at": float},
        pk="key",
        not_null={*texts, "number", "told", "created_at"},
        strict=True,
    )
    posts.create_index(["guild_id", "by_id", "created_at"])
    posts.create_index(["number"])
    posts.create_index(["discussion_id"])
    posts.create_index(["state", "told"])
    drafts = db.table("discuss_drafts")
    drafts.create(
        {"token": str, "chat": str, "created_at": float},
        pk="token",
        not_null={"chat", "created_at"},
        strict=True,
    )
    drafts.create_index(["created_at"])
