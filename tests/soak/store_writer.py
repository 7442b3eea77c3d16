"""Writes until it is killed, and says of each write that it is on disk.

``python -m tests.soak.store_writer FILE``. Each lane writes pairs of facts with rising numbers,
each pair as one change, and answers, every third of which it deletes again.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from sqlite_utils import Database

from bot.results import Deleter, Results, StoredResult, new_result_id
from bot.store import Store

LANES = 6
OPENING = "opening"
FILLER = "x" * 300


async def main(path: Path) -> None:
    """Go on where the last process was killed."""
    say(OPENING)
    store = await Store.open(path)
    results = Results(store)
    await asyncio.gather(*(_lane(store, results, lane) for lane in range(LANES)))


def say(*words: object) -> None:
    """One line that the parent gets even if this process is killed at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def _lane(store: Store, results: Results, lane: int) -> None:
    sql = "SELECT COUNT(*) FROM facts WHERE key LIKE ?"
    number = await store.read(lambda db: db.execute(sql, [f"{lane}:left:%"]).fetchone()[0])
    while True:
        await store.write(lambda db: _pair(db, lane, number))  # noqa: B023  # awaited here
        say("pair", lane, number)
        row = _answer()
        await results.save(row)
        if number % 3:
            say("kept", row.id)
        else:
            await results.delete(row.id, by=Deleter(moderator=True))
            say("gone", row.id)
        number += 1


def _pair(db: Database, lane: int, number: int) -> None:
    for side in ("left", "right"):
        values = [f"{lane}:{side}:{number}", FILLER]
        db.conn.execute("INSERT INTO facts VALUES (?, ?)", values)


def _answer() -> StoredResult:
    now = time.time()
    return StoredResult(
        id=new_result_id(), tool="soak", inputs={"x": FILLER}, request=None, result=None,
        refusal=None, door="api", created_at=now, expires_at=now + 86_400,
    )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
