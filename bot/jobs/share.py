"""Identical requests share one run: who asks while it waits or runs, or soon after it was done."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# One that is being cancelled or that failed is no answer to anybody else.
OPEN = """SELECT id FROM runs WHERE share_key = ? AND created_at > ? AND ended_at = 0
    AND cancelling = 0 ORDER BY created_at DESC LIMIT 1"""
DONE = """SELECT runs.id, runs.words, results.result FROM runs
    JOIN asks ON asks.run_id = runs.id AND asks.state = 'done'
    JOIN results ON results.id = asks.result_id AND results.result IS NOT NULL
    WHERE share_key = ? AND runs.created_at > ? AND runs.state = 'done'
    ORDER BY runs.created_at DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Shared:
    """A run to join; ``result`` is its JSON when it is done."""

    run_id: str
    words: str = ""
    result: str | None = None


def share_key(tool: str, schema_id: str, lane: str, request: str, limits: tuple[float, ...]) -> str:
    """The same for requests that one run answers; ``request`` is canonical JSON."""
    text = json.dumps([tool, schema_id, lane, request, limits])
    return hashlib.sha256(text.encode()).hexdigest()


def find_shared(db: Database, key: str, since: float) -> Shared | None:
    """The run of that key that was asked for after ``since`` (Unix seconds)."""
    if row := db.conn.execute(OPEN, [key, since]).fetchone():
        return Shared(row[0])
    row = db.conn.execute(DONE, [key, since]).fetchone()
    return Shared(*row) if row else None
