"""What the store said it wrote is there, whatever happens next; one failure stays one failure."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot import store as store_module
from bot.store import FILE_NAME, Store, StoreError, connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(path)
    yield opened
    await opened.close()


def put(key: str, value: str = "x") -> Callable[[Database], None]:
    def change(db: Database) -> None:
        db.conn.execute("INSERT INTO facts VALUES (?, ?)", [key, value])

    return change


def keys(db: Database) -> list[str]:
    return [row[0] for row in db.execute("SELECT key FROM facts ORDER BY rowid").fetchall()]


async def test_a_failing_change_fails_alone(store: Store) -> None:
    def half(db: Database) -> None:
        put("half")(db)
        put("before")(db)  # already there

    futures = [store.write(put("before")), store.write(half), store.write(put("after"))]
    done = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(one) for one in done] == [type(None), sqlite3.IntegrityError, type(None)]
    assert await store.read(keys) == ["before", "after"]


@pytest.mark.parametrize("kind", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_no_exception_of_a_change_or_query_ends_the_writer(
    store: Store, kind: type[BaseException]
) -> None:
    def bad(db: Database) -> None:
        raise kind

    calls: list[Callable[[], Awaitable[None]]] = [
        lambda: store.write(bad),
        lambda: store.read(bad),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match=kind.__name__):
            await call()
    await store.write(put("after"))
    assert await store.read(keys) == ["after"]


async def test_a_change_that_commits_itself_is_an_error_and_the_writer_goes_on(
    store: Store,
) -> None:
    with pytest.raises(StoreError, match="ended the transaction"):
        await store.write(lambda db: db.conn.commit())
    await store.write(put("after"))
    assert await store.read(keys) == ["after"]


async def test_a_full_disk_fails_each_write_in_a_sentence_and_then_it_goes_on(
    store: Store,
) -> None:
    full = await store.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await store.write(lambda db: db.execute(f"PRAGMA max_page_count = {full}").fetchone())
    big = "x" * 100_000
    futures = [store.write(put("small")), *[store.write(put(f"k{n}", big)) for n in range(3)]]
    failed = await asyncio.gather(*futures, return_exceptions=True)
    assert any("full" in str(one) for one in failed)
    assert all(isinstance(one, StoreError | sqlite3.Error) for one in failed[1:])
    kept = [] if failed[0] else ["small"]
    assert await store.read(keys) == kept
    await store.write(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    await store.write(put("after"))
    assert await store.read(keys) == [*kept, "after"]


async def test_a_failed_commit_fails_all_of_its_writes_and_none_is_kept(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A deferred constraint is checked by COMMIT, as a full disk may be."""
    await store.write(
        lambda db: db.conn.execute(
            "CREATE TABLE child (p TEXT REFERENCES facts(key) DEFERRABLE INITIALLY DEFERRED)"
        )
    )
    bad = store.write(lambda db: db.conn.execute("INSERT INTO child VALUES ('none')").rowcount)
    good = store.write(put("good"))
    done = await asyncio.gather(bad, good, return_exceptions=True)
    assert [type(one) for one in done] == [StoreError, StoreError]
    assert "could not be written: FOREIGN KEY constraint failed" in str(done[1])
    assert done[0] is not done[1]
    assert "2 changes are lost" in caplog.text
    await store.write(put("after"))
    assert await store.read(keys) == ["after"]


async def test_a_lock_of_another_process_fails_the_write_not_the_store(
    store: Store, path: Path
) -> None:
    await store.write(lambda db: db.execute("PRAGMA busy_timeout = 1").fetchone())
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="database is locked"):
        await store.write(put("a"))
    other.close()
    await store.write(put("b"))
    assert await store.read(keys) == ["b"]


async def test_a_cancelled_waiter_neither_stops_its_write_nor_the_writer(store: Store) -> None:
    waiter = store.write(put("a"))
    waiter.cancel()
    await store.write(put("b"))
    assert await store.read(keys) == ["a", "b"]


async def test_a_failure_nobody_waits_for_is_logged_by_us_and_not_by_asyncio(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(db: Database) -> None:
        raise LookupError("no such thing")

    store.write(bad)
    await store.write(put("same batch"))
    await store.write(put("next batch"))
    gc.collect()
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == [
        "bot.store"
    ]
    assert "no such thing" in caplog.text


async def test_a_disk_that_stopped_refuses_new_writes_instead_of_filling_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_WAITING", 3)
    futures = [store.write(put(f"k{n}")) for n in range(5)]
    done = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(one, StoreError) for one in done] == [False, False, False, True, True]


WRITE_FOREVER = """
import asyncio, sys
from pathlib import Path
from bot.store import Store

async def main() -> None:
    store = await Store.open(Path(sys.argv[1]))
    async def one(lane: int) -> None:
        n = 0
        while True:
            key = f"{lane}-{n}"
            await store.set_fact(key, "x" * 200)
            sys.stdout.write(key + "\\n")
            sys.stdout.flush()
            n += 1
    await asyncio.gather(*[one(lane) for lane in range(8)])

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 137, 900])  # anywhere in a batch
async def test_what_was_acknowledged_survives_kill_9(path: Path, acknowledged: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE_FOREVER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    told = [await process.stdout.readline() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    told += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    said = {line.decode().strip() for line in told if line.endswith(b"\n")}
    assert len(said) >= acknowledged
    store = await Store.open(path)
    kept = set(await store.read(keys))
    verdict = await store.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()[0])
    await store.close()
    assert said <= kept
    assert verdict == "ok"


async def test_a_file_left_by_a_killed_process_is_read_by_connect(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE_FOREVER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode().strip()
    process.kill()
    await process.communicate()
    db = connect(path, "ro")
    assert first in keys(db)
    db.close()
