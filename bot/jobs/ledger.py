"""The rows of runs and asks: every function works inside a change or a query of the store.

``runs``: what a worker is to do and how far that is. ``publication`` counts the messages made of
it, ``returned`` the workers that gave it back undone. ``asks``: who waits for it, by the id of
their result; an ask that ended keeps the state it ended in, and outlives its result, so that
deleting answers frees no limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.jobs.order import turn_of
from bot.jobs.run import Ask, Ending, Run
from bot.jobs.words import Delivery, File

if TYPE_CHECKING:
    from sqlite_utils import Database

RUN_COLUMNS = (
    "id", "tool", "schema_id", "lane", "ticket", "created_at", "state", "publication",
    "published_at", "base", "attempt", "worker", "machine", "started_at", "returned",
    "cancelling",
)  # fmt: skip
ASK_COLUMNS = ("result_id", "run_id", "asker", "user_id", "first", "asked_at")
NEW_RUN = """INSERT INTO runs (id, tool, schema_id, lane, ticket, created_at, request, share_key,
    host_gib, limit_s, state, publication, published_at, base, attempt, worker, machine,
    started_at, returned, cancelling, ended_at, run_s, cause, words)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, 0, 0, 0, '', '', 0, 0, 0, 0, 0, '', '')"""
NEW_ASK = """INSERT INTO asks (result_id, run_id, asker, user_id, first, asked_at, turn, kind,
    state, delivery, due_at, ended_at, waiting) SELECT ?, ?, ?, ?, ?, ?, ?,
    lane || ' ' || tool || ' ' || schema_id, '', '', 0, 0, ended_at = 0 AND published_at = 0
    FROM runs WHERE id = ?"""
CLAIM = """UPDATE runs SET state = 'running', attempt = ?, worker = ?, machine = ?, started_at = ?
    WHERE id = ? AND ended_at = 0 AND attempt < ?"""
REQUEUE = """UPDATE runs SET state = 'queued', published_at = 0, base = ?,
    attempt = ?, worker = '', machine = '', started_at = 0, returned = returned + ?
    WHERE id = ? AND ended_at = 0 AND cancelling = 0"""
WAIT = "UPDATE asks SET waiting = 1, due_at = ? WHERE run_id = ? AND ended_at = 0"
END_RUN = """UPDATE runs SET state = ?, cause = ?, words = ?, run_s = ?, ended_at = ?
    WHERE id = ? AND ended_at = 0"""
END_ASK = """UPDATE asks SET state = ?, ended_at = ?, waiting = 0
    WHERE result_id = ? AND ended_at = 0"""
ANSWER = """UPDATE results SET result = ?, refusal = ? WHERE id = ?
    RETURNING door, tool, user_id, guild_id, channel_id, message_id, private"""
NEW_FILE = """INSERT OR REPLACE INTO run_files (run_id, name, media_type, size, sha256)
    VALUES (?, ?, ?, ?, ?)"""

PURGE_ASKS = """DELETE FROM asks WHERE rowid IN (SELECT rowid FROM asks WHERE ended_at > 0
    AND asked_at < ? AND result_id NOT IN (SELECT id FROM results) LIMIT ?)"""
PURGE_BATCH = 5_000  # rows a change
KEPT_S = 86_400.0  # the longest window of a limit


def add_run(
    db: Database, run: Run, request: str, share_key: str, host_gib: float, limit_s: float
) -> None:
    """A new run; ``request`` is JSON."""
    start = [run.id, run.tool, run.schema_id, run.lane, run.ticket, run.created_at]
    db.conn.execute(NEW_RUN, [*start, request, share_key, host_gib, limit_s])


def add_ask(db: Database, ask: Ask) -> None:
    """A new ask of a run."""
    values = [ask.result_id, ask.run_id, ask.asker, ask.user_id, int(ask.first), ask.asked_at]
    turn = turn_of(db, ask.asker, ask.first)
    db.conn.execute(NEW_ASK, [*values, turn, ask.run_id])


def open_runs(db: Database) -> list[Run]:
    """All that is not over, each with the asks that still wait."""
    columns = ", ".join(RUN_COLUMNS)
    runs = {}
    for row in db.conn.execute(f"SELECT {columns} FROM runs WHERE ended_at = 0"):
        run = Run(**dict(zip(RUN_COLUMNS, row, strict=True)))
        run.cancelling = bool(run.cancelling)
        runs[run.id] = run
    for row in db.conn.execute(f"SELECT {', '.join(ASK_COLUMNS)} FROM asks WHERE ended_at = 0"):
        ask = _ask(row)
        if ask.run_id in runs:
            runs[ask.run_id].asks[ask.result_id] = ask
    return list(runs.values())


def claim(db: Database, run: str, attempt: int, worker: str, machine: str, at: float) -> bool:
    """Keep who owns ``attempt``; False when the run is over or further on."""
    return db.conn.execute(CLAIM, [attempt, worker, machine, at, run, attempt]).rowcount > 0


def requeue(
    db: Database, run: str, base: int, *, returned: bool = False, not_before: float = 0.0
) -> bool:
    """Back into the queue, ``base`` attempts behind it; False when the run is over, or its end is
    wanted and nothing else.
    """
    if not db.conn.execute(REQUEUE, [base, base, int(returned), run]).rowcount:
        return False
    db.conn.execute(WAIT, [not_before, run])
    return True


def cancelling(db: Database, run: str) -> None:
    """Its worker is being told to stop."""
    db.conn.execute("UPDATE runs SET cancelling = 1 WHERE id = ? AND ended_at = 0", [run])


def end_run(db: Database, run: str, ending: Ending, files: tuple[File, ...] = ()) -> bool:
    """Record how it ended, answer all who wait, and have the answers delivered; False when it was
    over already.
    """
    values = [ending.state, ending.cause, ending.words, ending.run_s, ending.at, run]
    if not db.conn.execute(END_RUN, values).rowcount:
        return False
    for file in files:
        db.conn.execute(NEW_FILE, [run, file.name, file.media_type, file.size, file.sha256])
    sql = "SELECT result_id FROM asks WHERE run_id = ? AND ended_at = 0"
    for (result_id,) in db.conn.execute(sql, [run]).fetchall():
        end_ask(db, run, result_id, ending)
    return True


def end_ask(
    db: Database, run: str, result_id: str, ending: Ending, *, deliver: bool = True
) -> bool:
    """Answer one who waits; ``deliver`` unless they said themselves that it is over."""
    from bot.outbox import Effect, enqueue

    if not db.conn.execute(END_ASK, [ending.state, ending.at, result_id]).rowcount:
        return False
    answer = [ending.result, ending.refusal, result_id]
    row = db.conn.execute(ANSWER, answer).fetchone()
    if row is None or row[0] != "discord" or not deliver:
        return True
    _, tool, user_id, guild_id, channel_id, message_id, private = row
    payload = {
        "result_id": result_id, "run_id": run, "tool": tool, "state": ending.state,
        "user_id": user_id, "guild_id": guild_id, "channel_id": channel_id,
        "message_id": message_id, "private": bool(private),
    }  # fmt: skip
    enqueue(db, Effect(key=answer_key(result_id), kind="discord.answer", payload=payload))
    return True


def delivered(db: Database, result_id: str, delivery: Delivery) -> None:
    """Keep where the answer went."""
    db.conn.execute("UPDATE asks SET delivery = ? WHERE result_id = ?", [delivery, result_id])


def answer_key(result_id: str) -> str:
    """The outbox's key of the message that brings a finished run's answer."""
    return f"answer:{result_id}"


def files_of(db: Database, result_id: str) -> list[File]:
    """The fetched files of that result's run, by name."""
    sql = """SELECT name, media_type, size, run_files.sha256 FROM asks JOIN run_files
        USING (run_id) WHERE result_id = ? AND asks.state = 'done' ORDER BY name"""
    return [File(*row) for row in db.conn.execute(sql, [result_id]).fetchall()]


def orphans(db: Database) -> list[str]:
    """Results that are gone although their runs are not over."""
    sql = """SELECT result_id FROM asks WHERE ended_at = 0
        AND result_id NOT IN (SELECT id FROM results)"""
    return [row[0] for row in db.conn.execute(sql).fetchall()]


def purge(db: Database, now: float) -> int:
    """Remove asks whose results are gone, a day later (limits count them), then runs without
    asks; how many runs.
    """
    db.conn.execute(PURGE_ASKS, [now - KEPT_S, PURGE_BATCH])
    gone = "ended_at > 0 AND id NOT IN (SELECT run_id FROM asks)"
    db.conn.execute(f"DELETE FROM run_files WHERE run_id IN (SELECT id FROM runs WHERE {gone})")
    return db.conn.execute(f"DELETE FROM runs WHERE {gone}").rowcount


def kept_files(db: Database) -> set[str]:
    """The hashes of all files that a run has."""
    return {row[0] for row in db.conn.execute("SELECT DISTINCT sha256 FROM run_files").fetchall()}


def _ask(row: tuple[Any, ...]) -> Ask:
    result_id, run_id, asker, user_id, first, asked_at = row
    return Ask(result_id, run_id, asker, user_id, bool(first), asked_at)
