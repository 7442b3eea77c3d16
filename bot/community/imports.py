"""Imported files that were shown and wait for Apply or Discard, also over a restart."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.community.ledger import read_setting, setting_text
from bot.community.words import Setting
from bot.store import Store

if TYPE_CHECKING:
    from sqlite_utils import Database

KEPT_S = 24 * 3600.0
PUT = "INSERT INTO community_imports (token, guild_id, content, base, at) VALUES (?, ?, ?, ?, ?)"
FIND = "SELECT content, base FROM community_imports WHERE token = ? AND guild_id = ? AND at > ?"


@dataclass(frozen=True, slots=True)
class Import:
    """The settings that a file asks for, and those that were there when it was shown."""

    wanted: list[Setting]
    base: list[Setting]


async def keep_import(
    store: Store, guild_id: str, wanted: Sequence[Setting], base: Sequence[Setting], now: float
) -> str:
    """The token under which it waits for ``KEPT_S`` seconds; older ones go."""
    token = secrets.token_urlsafe(16)
    values = [token, guild_id, _text(wanted), _text(base), now]

    def change(db: Database) -> None:
        db.conn.execute("DELETE FROM community_imports WHERE at <= ?", [now - KEPT_S])
        db.conn.execute(PUT, values)

    await store.write(change)
    return token


async def take_import(store: Store, guild_id: str, token: str, now: float) -> Import | None:
    """It, once, in the server where it was shown; None where nothing waits under that token."""

    def change(db: Database) -> tuple[str, str] | None:
        row: tuple[str, str] | None = db.conn.execute(
            FIND, [token, guild_id, now - KEPT_S]
        ).fetchone()
        if row is not None:
            db.conn.execute("DELETE FROM community_imports WHERE token = ?", [token])
        return row

    row = await store.write(change)
    return Import(_settings(guild_id, row[0]), _settings(guild_id, row[1])) if row else None


def _text(settings: Sequence[Setting]) -> str:
    return json.dumps([setting_text(setting) for setting in settings])


def _settings(guild_id: str, text: str) -> list[Setting]:
    return [read_setting(guild_id, row) for row in json.loads(text)]
