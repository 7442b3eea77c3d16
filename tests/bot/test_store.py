"""The store writes in order, in few commits, and off the loop; reads see one moment."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.store import FILE_NAME, Store, StoreError, known_steps


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(path)
    yield opened
    await opened.close()


def list_of(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def put(key: str, value: str = "x") -> Callable[[Database], None]:
    def change(db: Database) -> None:
        db.conn.execute("INSERT INTO facts VALUES (?, ?)", [key, value])

    return change


def keys(db: Database) -> list[str]:
    return [row[0] for row in db.execute("SELECT key FROM facts ORDER BY rowid").fetchall()]


def applied(db: Database) -> list[str]:
    rows = db.execute("SELECT name FROM _sqlite_migrations ORDER BY id").fetchall()
    return [row[0] for row in rows]


def commits_of(statements: list[str]) -> int:
    return sum(statement == "COMMIT" for statement in statements)


async def traced(store: Store) -> list[str]:
    statements: list[str] = []
    await store.write(lambda db: db.conn.set_trace_callback(statements.append))
    statements.clear()
    return statements


async def test_the_file_is_as_durable_as_promised(store: Store) -> None:
    def pragmas(db: Database) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await store.write(pragmas) == ["wal", 2, 1, 5000]


async def test_a_write_can_be_read_once_it_is_done(store: Store) -> None:
    await store.write(put("a"))
    assert await store.read(keys) == ["a"]


async def test_a_thousand_queued_writes_share_a_few_commits(store: Store) -> None:
    statements = await traced(store)
    await asyncio.gather(*[store.write(put(f"k{n}")) for n in range(1000)])
    assert await store.read(keys) == [f"k{n}" for n in range(1000)]
    assert 1 <= commits_of(statements) <= 3


async def test_writes_queued_while_one_commits_share_the_next(store: Store) -> None:
    statements = await traced(store)
    first = store.write(put("first"))
    await asyncio.sleep(0)
    rest = [store.write(put(f"k{n}")) for n in range(100)]
    await asyncio.gather(first, *rest)
    assert commits_of(statements) == 2


async def test_queueing_neither_waits_nor_writes_on_the_loop(store: Store) -> None:
    future = store.write(put("a"))
    assert not future.done()
    await future


async def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(put("a"))


async def test_one_read_sees_one_moment(store: Store) -> None:
    loop = asyncio.get_running_loop()

    def twice(db: Database) -> tuple[list[str], list[str]]:
        before = keys(db)
        asyncio.run_coroutine_threadsafe(written(), loop).result()
        return before, keys(db)

    async def written() -> None:
        await store.write(put("a"))

    assert await store.read(twice) == ([], [])
    assert await store.read(keys) == ["a"]


async def test_close_finishes_what_is_queued_and_leaves_one_file(path: Path) -> None:
    store = await Store.open(path)
    futures = [store.write(put(f"k{n}")) for n in range(2000)]
    await asyncio.gather(store.close(), store.close())
    assert all(future.done() and future.exception() is None for future in futures)
    assert [file.name for file in list_of(path.parent)] == [FILE_NAME]
    again = await Store.open(path)
    assert len(await again.read(keys)) == 2000
    await again.close()


async def test_after_close_reads_and_writes_are_refused(path: Path) -> None:
    store = await Store.open(path)
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        store.write(put("a"))
    with pytest.raises(StoreError, match="closed"):
        await store.read(keys)


async def test_facts_are_kept_and_replaced(store: Store) -> None:
    assert await store.fact("commands") is None
    await store.set_fact("commands", "1")
    await store.set_fact("commands", "2")
    assert await store.fact("commands") == "2"


async def test_the_steps_run_once_and_in_order(path: Path) -> None:
    for _ in range(2):
        store = await Store.open(path)
        assert await store.read(applied) == known_steps() == sorted(known_steps())
        await store.close()


async def test_a_database_of_a_newer_version_is_refused_untouched(path: Path) -> None:
    store = await Store.open(path)
    newer = {"migration_set": "k2c", "name": "m9999_later", "applied_at": "2030"}

    def age(db: Database) -> None:
        db.table("_sqlite_migrations").insert(newer)

    await store.write(age)
    await store.close()
    before = bytes_of(path)
    with pytest.raises(StoreError, match=r"newer version \(it has m9999_later"):
        await Store.open(path)
    assert bytes_of(path) == before


@pytest.mark.parametrize("content", [b"not a database at all" * 50, b"SQLite format 3\x00junk"])
def test_a_broken_file_is_a_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot be used: file is not a database"):
        asyncio.run(Store.open(path))


async def test_a_missing_directory_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        await Store.open(tmp_path / "none" / FILE_NAME)


async def test_a_name_with_url_characters_is_only_a_name(tmp_path: Path) -> None:
    strange = tmp_path / "a ?mode=memory&%41#.sqlite"
    store = await Store.open(strange)
    await store.write(put("a"))
    assert await store.read(keys) == ["a"]
    await store.close()
    assert [file.name for file in list_of(tmp_path)] == [strange.name]
