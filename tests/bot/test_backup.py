"""A copy made by another process is one whole moment, and nothing else is ever overwritten."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.backup import backup
from bot.store import FILE_NAME, Store, StoreError, connect

BACK_UP = """
import sys
from pathlib import Path
from bot.backup import backup
print(backup(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / FILE_NAME


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "copy.sqlite"


def made(path: Path, *keys: str) -> None:
    async def fill() -> None:
        store = await Store.open(path)
        for key in keys:
            await store.set_fact(key, "x")
        await store.close()

    asyncio.run(fill())


def facts(path: Path) -> dict[str, str]:
    db = connect(path, "ro")
    rows = dict(db.execute("SELECT key, value FROM facts").fetchall())
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
    return rows


def test_a_backup_is_one_file_with_everything_only_its_owner_can_read(
    path: Path, target: Path
) -> None:
    made(path, "a", "b")
    assert backup(path, target) == target.stat().st_size
    assert target.stat().st_mode & 0o077 == 0
    assert {file.name for file in target.parent.iterdir()} == {"data", target.name}
    assert facts(target) == {"a": "x", "b": "x"}
    assert target.read_bytes()[18:20] == b"\x01\x01", "a WAL file cannot be read from a CD"


async def test_a_copy_taken_while_the_bot_writes_is_one_moment_and_complete(
    path: Path, target: Path
) -> None:
    """Pairs are written together, in order: the copy has whole pairs and no gap before its end."""
    store = await Store.open(path)
    written = 0

    def pair(number: int) -> asyncio.Future[None]:
        def change(db: Database) -> None:
            for side in ("left", "right"):
                db.conn.execute("INSERT INTO facts VALUES (?, ?)", [f"{side}{number}", "x" * 500])

        return store.write(change)

    for written in range(500):
        pair(written)
    await pair(500)
    acknowledged = written = 500
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BACK_UP, str(path), str(target), stdout=asyncio.subprocess.PIPE
    )
    ended = asyncio.create_task(process.wait())
    while not ended.done():
        written += 1
        await pair(written)
    assert ended.result() == 0
    await store.close()
    copied = await asyncio.to_thread(facts, target)
    last = len(copied) // 2 - 1
    assert acknowledged <= last <= written
    assert set(copied) == {f"{side}{n}" for side in ("left", "right") for n in range(last + 1)}


def test_what_a_killed_process_left_in_the_wal_is_in_the_backup(path: Path, target: Path) -> None:
    made(path)
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute(\"INSERT INTO facts VALUES ('late', 'x')\"); c.commit(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.with_name(f"{FILE_NAME}-wal").stat().st_size > 0
    backup(path, target)
    assert facts(target) == {"late": "x"}


def test_an_earlier_backup_is_replaced_and_a_backup_can_be_opened(path: Path, target: Path) -> None:
    made(path, "a")
    backup(path, target)
    made(path, "b")
    backup(path, target)
    assert facts(target) == {"a": "x", "b": "x"}
    made(target, "c")
    assert facts(target) == {"a": "x", "b": "x", "c": "x"}


def test_an_empty_file_made_for_the_backup_is_replaced(path: Path, target: Path) -> None:
    made(path, "a")
    target.touch()
    backup(path, target)
    assert facts(target) == {"a": "x"}


def test_a_file_that_is_no_backup_stays(path: Path, target: Path) -> None:
    made(path)
    target.write_text("my thesis")
    with pytest.raises(StoreError, match="not an earlier backup"):
        backup(path, target)
    assert target.read_text() == "my thesis"


def test_another_programs_database_stays(path: Path, target: Path) -> None:
    made(path)
    other = sqlite3.connect(target)
    other.execute("CREATE TABLE holidays (day)")
    other.commit()
    other.close()
    before = target.read_bytes()
    with pytest.raises(StoreError, match="not an earlier backup"):
        backup(path, target)
    assert target.read_bytes() == before


def test_the_database_itself_a_link_a_folder_and_a_missing_place_are_sentences(
    path: Path, target: Path
) -> None:
    made(path)
    link = target.with_name("link")
    link.symlink_to(target)
    hard = target.with_name("hard")
    hard.hardlink_to(path)
    for wrong, sentence in (
        (path, "is the database itself"),
        (hard, "is the database itself"),
        (link, "not a plain file"),
        (target.parent, "not a plain file"),
        (target / "below" / "x", "no directory"),
    ):
        with pytest.raises(StoreError, match=sentence):
            backup(path, wrong)


def test_a_link_laid_for_the_unfinished_copy_is_not_followed(path: Path, target: Path) -> None:
    made(path)
    victim = target.with_name("victim")
    victim.write_text("precious")
    target.with_name(f".{target.name}.{os.getpid()}.part").symlink_to(victim)
    with pytest.raises(StoreError, match="File exists"):
        backup(path, target)
    assert victim.read_text() == "precious"


def test_no_database_is_a_sentence(path: Path, target: Path) -> None:
    with pytest.raises(StoreError, match="There is no database at"):
        backup(path, target)
    assert not target.exists()


def test_a_damaged_database_is_a_sentence_and_leaves_nothing(path: Path, target: Path) -> None:
    made(path, *[f"k{n}" for n in range(500)])
    with path.open("r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        file.write(b"\xff" * 6000)
    with pytest.raises(StoreError, match=r"The backup to .* failed: .*(damaged|malformed)"):
        backup(path, target)
    assert [file.name for file in target.parent.iterdir()] == ["data"]
