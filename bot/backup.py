"""A consistent copy of the database, made by any process while the bot goes on writing."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from bot.store import MIGRATION_SET, StoreError, connect


def backup(database: Path, target: Path) -> int:
    """Copy ``database`` to the file ``target``; its size in bytes.

    The copy is one moment of the database, checked, and takes its name only when it is whole.
    Only an earlier backup is ever replaced. Raises ``StoreError`` with a sentence.
    """
    if not database.is_file():
        raise StoreError(f"There is no database at {database}; nothing to back up.")
    _check_replaceable(database, target)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(database, part)
            _sync(part)
            part.replace(target)
            _sync(target.parent)
        finally:
            part.unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"The backup to {target} failed: {_reason(error)}.") from error
    return target.stat().st_size


def _check_replaceable(database: Path, target: Path) -> None:
    if not target.parent.is_dir():
        raise StoreError(f"There is no directory {target.parent} to put the backup in.")
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_file():
        raise StoreError(f"{target} is not a plain file; give the backup another name.")
    if target.samefile(database):
        raise StoreError(f"{target} is the database itself; give the backup another name.")
    if target.stat().st_size > 0 and not _is_ours(target):
        raise StoreError(f"{target} is not an earlier backup and stays; give another name.")


def _is_ours(path: Path) -> bool:
    sql = "SELECT 1 FROM _sqlite_migrations WHERE migration_set = ?"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path, "ro")) as db:
        return db.execute(sql, [MIGRATION_SET]).fetchone() is not None
    return False


def _copy(database: Path, part: Path) -> None:
    """All pages in one step: one read transaction, which no writer can make start again."""
    with (
        contextlib.closing(connect(database, "ro")) as source,
        contextlib.closing(connect(part, "rw")) as copy,
    ):
        source.conn.backup(copy.conn, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")  # readable from a read-only place, too
        verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged ({verdict}), and so is the database")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
