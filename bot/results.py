"""Kept answers: what was asked, what came out, who may delete it and until when it stays."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from compute.tool import Refusal

if TYPE_CHECKING:  # `k2c throughput` needs the row's shape, not the 0.15 s of the database
    from sqlite_utils import Database

    from bot.store import Store

Door = Literal["discord", "web", "api", "terminal"]

ID_BYTES = 16  # 128 bits: a page's address is its only key
ID_SHAPE = re.compile(r"[A-Za-z0-9_-]{22}")
PURGE_BATCH = 500  # rows a change, so that answers are not kept waiting behind a purge

COLUMNS = (
    "id",
    "tool",
    "inputs",
    "request",
    "result",
    "refusal",
    "door",
    "user_id",
    "guild_id",
    "channel_id",
    "message_id",
    "private",
    "delete_key_sha256",
    "created_at",
    "expires_at",
)
JSON_COLUMNS = ("inputs", "request", "result", "refusal")
INSERT = f"INSERT INTO results ({', '.join(COLUMNS)}) VALUES ({', '.join(['?'] * len(COLUMNS))})"
SELECT = f"SELECT {', '.join(COLUMNS)} FROM results WHERE id = ?"
UNFINISHED = f"""SELECT {", ".join(COLUMNS)} FROM results WHERE result IS NULL AND refusal IS NULL
    AND request IS NOT NULL AND door = ? AND message_id != '' AND expires_at > ?"""
OF_USER = f"""SELECT {", ".join(COLUMNS)} FROM results WHERE user_id = ? AND tool = ?
    AND result IS NOT NULL AND expires_at > ? ORDER BY created_at DESC LIMIT ?"""
PURGE = """DELETE FROM results WHERE rowid IN
    (SELECT rowid FROM results WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""


class StoredResult(BaseModel):
    """One row of the results table; times are Unix seconds, ids of Discord are decimal text.

    ``message_id`` is the message that shows the answer, in ``channel_id``; empty until it is
    posted. ``delete_key`` is only ever given on saving: what is read back has it empty.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    tool: str
    inputs: dict[str, JsonValue]
    request: dict[str, JsonValue] | None
    result: dict[str, JsonValue] | None
    refusal: Refusal | None
    door: Door
    user_id: str = ""
    guild_id: str = ""
    channel_id: str = ""
    message_id: str = ""
    private: bool = False
    delete_key: str = ""
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Deleter:
    """Who wants a result gone: a member of Discord, a moderator, or the holder of its key."""

    user_id: str = ""
    moderator: bool = False
    delete_key: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """Where on Discord an answer stands."""

    channel_id: str
    message_id: str


class Results:
    """The results table. ``clock`` gives Unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def save(self, row: StoredResult) -> asyncio.Future[None]:
        """Queue ``row``; the future is done once it is on disk."""

        return self._store.write(lambda db: add_row(db, row))

    async def get(self, result_id: str) -> StoredResult | None:
        """The result of that id, or None when there is none or its time is over."""
        columns = await self._columns(result_id)
        return _from_columns(columns) if columns is not None else None

    async def unfinished(self, door: Door) -> list[StoredResult]:
        """Runs asked for through ``door`` that are not over and whose progress a message shows."""
        values = [door, self._clock()]
        rows = await self._store.read(lambda db: db.conn.execute(UNFINISHED, values).fetchall())
        return [_from_columns(dict(zip(COLUMNS, row, strict=True))) for row in rows]

    async def of_user(self, user_id: str, tool: str, most: int) -> list[StoredResult]:
        """Their finished answers of ``tool``, newest first."""
        values = [user_id, tool, self._clock(), most]
        rows = await self._store.read(lambda db: db.conn.execute(OF_USER, values).fetchall())
        return [_from_columns(dict(zip(COLUMNS, row, strict=True))) for row in rows]

    async def delete(self, result_id: str, *, by: Deleter) -> bool:
        """Remove a result if ``by`` may; False when there is none or they may not."""
        if not ID_SHAPE.fullmatch(result_id):
            return False

        def change(db: Database) -> bool:
            # Here and not by a read: the answer's own row may still wait for the disk before this.
            columns = columns_of(db, result_id)
            if columns is None or columns["expires_at"] <= self._clock():
                return False
            if not may_delete(columns, by):
                return False
            return db.conn.execute("DELETE FROM results WHERE id = ?", [result_id]).rowcount > 0

        return await self._store.write(change)

    async def purge(self, now: float) -> int:
        """Remove what expired by ``now`` (Unix seconds); how many rows that were."""

        def change(db: Database) -> int:
            return db.conn.execute(PURGE, [now, PURGE_BATCH]).rowcount

        removed = 0
        while (batch := await self._store.write(change)) > 0:
            removed += batch
        return removed

    def attach_message(
        self, result_id: str, channel_id: str, message_id: str
    ) -> asyncio.Future[None]:
        """Keep which message of which channel shows the result; the latest one counts."""
        sql = "UPDATE results SET channel_id = ?, message_id = ? WHERE id = ?"

        def change(db: Database) -> None:
            db.conn.execute(sql, [channel_id, message_id, result_id])

        return self._store.write(change)

    async def message_of(self, result_id: str) -> Posted | None:
        """Where the answer was posted, or None when it was not or is no longer kept."""
        columns = await self._columns(result_id)
        if columns is None or not columns["message_id"]:
            return None
        return Posted(columns["channel_id"], columns["message_id"])

    async def _columns(self, result_id: str) -> dict[str, Any] | None:
        if not ID_SHAPE.fullmatch(result_id):
            return None
        columns = await self._store.read(lambda db: columns_of(db, result_id))
        return columns if columns and columns["expires_at"] > self._clock() else None


def new_result_id() -> str:
    """An unguessable id: 22 characters of the URL-safe alphabet."""
    return secrets.token_urlsafe(ID_BYTES)


def add_row(db: Database, row: StoredResult) -> None:
    """Keep ``row``, inside a change of the store."""
    db.conn.execute(INSERT, _to_columns(row))


def columns_of(db: Database, result_id: str) -> dict[str, Any] | None:
    """The row of that id by ``COLUMNS``, inside a query or a change; None when there is none."""
    row = db.conn.execute(SELECT, [result_id]).fetchone()
    return dict(zip(COLUMNS, row, strict=True)) if row else None


def _to_columns(row: StoredResult) -> list[Any]:
    """In the order of ``COLUMNS``. Of the key only the SHA-256 is kept."""
    values = row.model_dump(exclude={"delete_key", "private"})
    for name in JSON_COLUMNS:
        # ASCII, because half a surrogate pair, which a stranger's JSON may hold, is not UTF-8.
        values[name] = None if values[name] is None else json.dumps(values[name])
    values["private"] = int(row.private)
    values["delete_key_sha256"] = _key_hash(row.delete_key)
    return [values[name] for name in COLUMNS]


def _from_columns(columns: Mapping[str, Any]) -> StoredResult:
    values = dict(columns)
    del values["delete_key_sha256"]
    for name in JSON_COLUMNS:
        values[name] = None if values[name] is None else json.loads(values[name])
    return StoredResult.model_validate(values)


def may_delete(columns: Mapping[str, Any], by: Deleter) -> bool:
    """Whether ``by`` may delete the result of that row, or end the run that it waits for."""
    if by.moderator:
        return True
    if columns["door"] == "discord" and by.user_id and by.user_id == columns["user_id"]:
        return True
    kept: str = columns["delete_key_sha256"]
    return bool(kept) and hmac.compare_digest(kept, _key_hash(by.delete_key))


def _key_hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest() if key else ""
