"""The rows behind the configuration; everything here runs inside a read or a write of the store."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.community.words import (
    Audit,
    By,
    CategorySetting,
    ChannelSetting,
    LimitSetting,
    RoleSetting,
    Setting,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

KINDS: dict[str, type[Setting]] = {
    "channel": ChannelSetting,
    "role": RoleSetting,
    "category": CategorySetting,
    "limit": LimitSetting,
}
NAMES = {kind: name for name, kind in KINDS.items()}
NEWEST = """SELECT guild_id, user_id, user_name, words, at FROM community_changes
    WHERE id IN (SELECT MAX(id) FROM community_changes GROUP BY guild_id)"""
HISTORY = """SELECT user_id, user_name, words, at FROM community_changes
    WHERE guild_id = ? ORDER BY id DESC LIMIT ?"""
ADD = """INSERT INTO community_changes (guild_id, user_id, user_name, words, at)
    VALUES (?, ?, ?, ?, ?)"""


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything, by server; ``endpoints`` are name and origin."""

    settings: dict[str, list[Setting]] = field(default_factory=dict)
    last: dict[str, Audit] = field(default_factory=dict)
    endpoints: dict[str, dict[str, str]] = field(default_factory=dict)
    revision: int = 0


def load(db: Database) -> Kept:
    """What a start reads."""
    settings: dict[str, list[Setting]] = {}
    for guild_id, text in db.conn.execute("SELECT guild_id, setting FROM community_settings"):
        settings.setdefault(guild_id, []).append(read_setting(guild_id, text))
    last = {row[0]: _audit(row[1:]) for row in db.conn.execute(NEWEST)}
    endpoints: dict[str, dict[str, str]] = {}
    for guild_id, name, origin in db.conn.execute(
        "SELECT guild_id, name, origin FROM community_endpoints ORDER BY name"
    ):
        endpoints.setdefault(guild_id, {})[name] = origin
    newest = db.conn.execute("SELECT COALESCE(MAX(id), 0) FROM community_changes").fetchone()[0]
    return Kept(settings, last, endpoints, newest)


def write_settings(db: Database, guild_id: str, settings: Iterable[Setting]) -> None:
    """The server has these and no others."""
    db.conn.execute("DELETE FROM community_settings WHERE guild_id = ?", [guild_id])
    rows = [(guild_id, setting_text(setting)) for setting in settings]
    db.conn.executemany("INSERT INTO community_settings (guild_id, setting) VALUES (?, ?)", rows)


def add_audit(db: Database, guild_id: str, lines: Sequence[Audit]) -> int:
    """Add the lines; the number of the last one."""
    number = 0
    for line in lines:
        values = [guild_id, line.by.user_id, line.by.user_name, line.words, line.at]
        number = db.conn.execute(ADD, values).lastrowid or 0
    return number


def history(db: Database, guild_id: str, limit: int) -> list[Audit]:
    """The newest lines of one server, newest first."""
    return [_audit(row) for row in db.conn.execute(HISTORY, [guild_id, limit])]


def setting_text(setting: Setting) -> str:
    """A setting as its row holds it, the same text for the same setting."""
    columns = dataclasses.asdict(setting)
    del columns["guild_id"]
    return json.dumps({"kind": NAMES[type(setting)], **columns}, sort_keys=True)


def read_setting(guild_id: str, text: str) -> Setting:
    """A setting from its row."""
    columns = json.loads(text)
    return KINDS[columns.pop("kind")](guild_id=guild_id, **columns)


def _audit(row: tuple[str, str, str, float]) -> Audit:
    user_id, user_name, words, at = row
    return Audit(By(user_id, user_name), words, at)
