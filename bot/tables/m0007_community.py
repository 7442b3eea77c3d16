"""The home servers' configuration and who changed it; ``bot.community`` says what it means."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``community_settings`` (one row a setting, as JSON), ``community_changes`` (the audit log),
    ``community_imports`` (files shown but not applied yet) and ``community_endpoints`` (with their
    keys, encrypted); times in Unix seconds, ids of Discord as decimal text.
    """
    settings = {"guild_id": str, "setting": str}
    db.table("community_settings").create(
        settings, pk=("guild_id", "setting"), not_null=set(settings), strict=True
    )
    who = {"guild_id": str, "user_id": str, "user_name": str}
    changes = {**who, "words": str, "at": float}
    table = db.table("community_changes")
    table.create({"id": int, **changes}, pk="id", not_null=set(changes), strict=True)
    table.create_index(["guild_id", "id"])
    imports = {"guild_id": str, "content": str, "base": str, "at": float}
    db.table("community_imports").create(
        {"token": str, **imports}, pk="token", not_null=set(imports), strict=True
    )
    endpoints = {"guild_id": str, "name": str, "origin": str, "sealed": str}
    db.table("community_endpoints").create(
        endpoints, pk=("guild_id", "name"), not_null=set(endpoints), strict=True
    )
