"""SQLite as the record of truth: WAL, synchronous FULL, one writer thread, group commit.

A write is queued on the event loop and never waits there; one task hands everything that is
queued to one thread, which runs it in one transaction. docs/decisions/0001 says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import pkgutil
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database, Migrations

import bot.tables

log = logging.getLogger(__name__)

FILE_NAME = "k2c.sqlite"
MIGRATION_SET = "k2c"
BUSY_MS = 5_000  # how long another process may hold the file before a write fails
BATCH = 500  # changes a transaction, so that the first of a long queue is not told last
MAX_WAITING = 20_000  # queued changes before new ones are refused: the disk has stopped
READERS = 2
WAL_KEPT_BYTES = 64 * 2**20

T = TypeVar("T")


class StoreError(Exception):
    """The database cannot do what was asked; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    change: Callable[[Database], Any]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


class Store:
    """One database file, written by this process alone; made by ``open``, ended by ``close``."""

    def __init__(self, path: Path, db: Database, writer: ThreadPoolExecutor) -> None:
        self.path = path
        self._db = db
        self._writer = writer
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._local = threading.local()
        self._reading: list[Database] = []
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._task = asyncio.create_task(self._write_queued(), name="store-writer")

    @classmethod
    async def open(cls, path: Path) -> Store:
        """Open or make the database at ``path`` and bring its tables up to date.

        Raises ``StoreError`` when it cannot be used or a newer version of the bot wrote it.
        """
        writer = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        try:
            db = await asyncio.get_running_loop().run_in_executor(writer, _open_for_writing, path)
        except BaseException:
            writer.shutdown(wait=False)
            raise
        return cls(path, db, writer)

    def write(self, change: Callable[[Database], T]) -> asyncio.Future[T]:
        """Queue ``change``; the future is done once the change is on disk, or has failed alone.

        Changes run in the order of the calls. A change must not commit or roll back itself. It is
        made even if the future is cancelled: who waits for it does not decide whether it counts.
        Raises ``StoreError`` after ``close``.
        """
        if self._closed:
            raise StoreError("The database is closed; nothing more can be written.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= MAX_WAITING:
            sentence = f"{len(self._waiting):,} changes wait for the disk; this one was refused."
            log.error("%s", sentence)
            _settle(future, _Outcome(error=StoreError(sentence)))
            return future
        self._waiting.append(_Waiting(change, future))
        self._wake.set()
        return future

    async def read(self, query: Callable[[Database], T]) -> T:
        """What ``query`` returns from one snapshot of everything committed; it cannot write."""
        if self._closed:
            raise StoreError("The database is closed; nothing more can be read.")
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._readers, self._run_query, query)
        if outcome.error is not None:
            raise outcome.error
        value: T = outcome.value
        return value

    async def fact(self, key: str) -> str | None:
        """The value kept under ``key``, or None."""
        sql = "SELECT value FROM facts WHERE key = ?"
        row = await self.read(lambda db: db.execute(sql, [key]).fetchone())
        return row[0] if row else None

    def set_fact(self, key: str, value: str) -> asyncio.Future[None]:
        """Keep ``value`` under ``key``, in place of what was there."""
        row = {"key": key, "value": value}

        def change(db: Database) -> None:
            db.table("facts").insert(row, pk="key", replace=True)

        return self.write(change)

    async def close(self) -> None:
        """Finish what is queued, then close the file. May be called twice."""
        self._closed = True
        self._wake.set()
        await asyncio.shield(self._task)
        await asyncio.to_thread(self._shut)

    async def _write_queued(self) -> None:
        while self._waiting or not self._closed:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write_batch()

    async def _write_batch(self) -> None:
        loop = asyncio.get_running_loop()
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        changes = [waiting.change for waiting in batch]
        outcomes = await loop.run_in_executor(self._writer, _run_batch, self._db, changes)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            _settle(waiting.future, outcome)

    def _run_query(self, query: Callable[[Database], Any]) -> _Outcome:
        try:
            db = self._reader()
            db.conn.execute("BEGIN")
            try:
                return _Outcome(query(db))
            finally:
                db.rollback()
        except BaseException as error:
            return _Outcome(error=_bearable(error))

    def _reader(self) -> Database:
        """This thread's own connection, read-only."""
        known: Database | None = getattr(self._local, "db", None)
        if known is None:
            known = self._local.db = connect(self.path, "ro")
            self._reading.append(known)
        return known

    def _shut(self) -> None:
        self._readers.shutdown()
        for db in self._reading:
            db.close()
        self._writer.shutdown()
        # Last, so that the one connection that may write puts the WAL back into the file.
        self._db.close()


def known_steps() -> list[str]:
    """The names of the steps of ``bot.tables``, oldest first."""
    return sorted(info.name for info in pkgutil.iter_modules(bot.tables.__path__))


def load_migrations() -> Migrations:
    """Every step of ``bot.tables``, oldest first."""
    migrations = Migrations(MIGRATION_SET)
    for name in known_steps():
        step = importlib.import_module(f"{bot.tables.__name__}.{name}")
        migrations(name=name)(step.migrate)
    return migrations


def refuse_newer(db: Database, path: Path) -> None:
    """Raises ``StoreError`` when ``db`` has steps that this version does not know."""
    applied = {step.name for step in load_migrations().applied(db)}
    newer = sorted(applied.difference(known_steps()))
    if newer:
        raise StoreError(
            f"{path} was written by a newer version (it has {newer[-1]}, which this version does "
            "not know). Run that version, or start from a backup made before it."
        )


def connect(path: Path, mode: str) -> Database:
    """A connection for any one thread at a time; ``mode`` is SQLite's: ro, rw, rwc (makes it)."""
    address = f"{path.resolve().as_uri()}?mode={mode}"
    conn = sqlite3.connect(address, uri=True, check_same_thread=False, timeout=BUSY_MS / 1000)
    db = Database(conn, execute_plugins=False)
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _open_for_writing(path: Path) -> Database:
    try:
        db = connect(path, "rwc")
    except sqlite3.Error as error:
        raise StoreError(f"The database {path} cannot be opened: {error}.") from error
    try:
        _prepare(db, path)
    except sqlite3.Error as error:
        db.close()
        raise StoreError(f"The database {path} cannot be used: {error}.") from error
    except StoreError:
        db.close()
        raise
    return db


def _prepare(db: Database, path: Path) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"{path} is on a file system that SQLite's WAL does not work on.")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}").fetchone()
    refuse_newer(db, path)
    load_migrations().apply(db)


def _run_batch(db: Database, changes: Sequence[Callable[[Database], Any]]) -> list[_Outcome]:
    """Run ``changes`` in one transaction; on return the good ones are on disk."""
    outcomes: list[_Outcome] = []
    try:
        db.conn.execute("BEGIN IMMEDIATE")
        for change in changes:
            outcomes.append(_run_change(db, change))
        db.conn.execute("COMMIT")
    except (sqlite3.Error, StoreError) as error:
        with contextlib.suppress(sqlite3.Error):
            db.rollback()
        sentence = f"The database could not be written: {error}."
        log.error("%s %d changes are lost.", sentence, len(changes))
        return [_Outcome(error=StoreError(sentence)) for _ in changes]
    return outcomes


def _run_change(db: Database, change: Callable[[Database], Any]) -> _Outcome:
    """Run one change; if it fails, undo it alone. Raises when the transaction itself is lost."""
    db.conn.execute("SAVEPOINT one_change")
    try:
        outcome = _Outcome(change(db))
    except BaseException as error:
        log.exception("A change of the database failed; it is undone, the others stand.")
        outcome = _Outcome(error=_bearable(error))
    if not db.conn.in_transaction:
        raise StoreError(f"a change ended the transaction ({outcome.error or 'it committed'})")
    if outcome.error is not None:
        db.conn.execute("ROLLBACK TO one_change")
    db.conn.execute("RELEASE one_change")
    return outcome


def _bearable(error: BaseException) -> Exception:
    """``error``, unless it is of a kind that a future cannot carry or that would end the loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"{type(error).__name__} in a query or a change")


def _settle(future: asyncio.Future[Any], outcome: _Outcome) -> None:
    """Tell who waits, unless they no longer do."""
    if future.done():
        return
    if outcome.error is None:
        future.set_result(outcome.value)
    else:
        future.set_exception(outcome.error)
        future.exception()  # marks it as seen: it is in the log already, asyncio need not add it
