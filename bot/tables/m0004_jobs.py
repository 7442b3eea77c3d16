"""Runs on workers and who asked for them; ``bot.jobs.ledger`` says what the columns mean."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """``runs``, ``asks`` (people waiting for a run), ``turns`` (the number that went out last) and
    ``run_files``; times in Unix seconds.

    An end of 0 means not over yet. What is open is small and always sought, what is over is much
    and seldom sought: hence the partial indexes.
    """
    texts = ("tool", "schema_id", "request", "lane", "share_key", "ticket", "state")
    told = ("worker", "machine", "cause", "words")
    limits = ("host_gib", "limit_s")
    times = ("created_at", "published_at", "started_at", "ended_at", "run_s")
    counts = ("publication", "base", "attempt", "returned", "cancelling")
    kinds = {
        **dict.fromkeys((*texts, *told), str),
        **dict.fromkeys((*limits, *times), float),
        **dict.fromkeys(counts, int),
    }
    db.table("runs").create({"id": str, **kinds}, pk="id", not_null=set(kinds), strict=True)
    asks = dict.fromkeys(("run_id", "asker", "user_id", "kind", "state", "delivery"), str)
    counted = {"first": int, "turn": int, "waiting": int}
    asked = {**asks, **counted, "asked_at": float, "due_at": float, "ended_at": float}
    db.table("asks").create(
        {"result_id": str, **asked}, pk="result_id", not_null=set(asked), strict=True
    )
    turns = {"first": int, "number": int}
    db.table("turns").create(turns, pk="first", not_null=set(turns), strict=True)
    files = {"run_id": str, "name": str, "media_type": str, "size": int, "sha256": str}
    db.table("run_files").create(
        files, pk=("run_id", "name"), not_null=set(files), strict=True, foreign_keys=[]
    )
    for index in (
        "runs_open ON runs (published_at, lane) WHERE ended_at = 0",
        "runs_shared ON runs (share_key, created_at)",
        "runs_ended ON runs (tool, ended_at) WHERE state = 'done'",
        "asks_open ON asks (asker) WHERE ended_at = 0",
        "asks_turn ON asks (asker, first, turn)",
        "asks_waiting ON asks (first DESC, turn, asked_at) WHERE waiting = 1",
        "asks_kinds ON asks (kind) WHERE waiting = 1",
        "asks_run ON asks (run_id)",
        "asks_asker ON asks (asker, asked_at)",
        "asks_user ON asks (user_id, asked_at)",
        "run_files_content ON run_files (sha256)",
    ):
        db.conn.execute(f"CREATE INDEX {index}")
