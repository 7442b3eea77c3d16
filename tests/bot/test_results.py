"""What is kept comes back as it was, to whom it may, for as long as it may."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bot.results import PURGE_BATCH, Deleter, Posted, Results, StoredResult, new_result_id
from bot.store import FILE_NAME, Store
from compute.tool import Fix, Refusal

NOW = 1_000_000.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / FILE_NAME)
    yield opened
    await opened.close()


@pytest.fixture
def results(store: Store) -> Results:
    return Results(store, clock=lambda: NOW)


def row(**changes: Any) -> StoredResult:
    values: dict[str, Any] = {
        "id": new_result_id(),
        "tool": "throughput",
        "inputs": {"gpu": "h100", "gpus": 2},
        "request": {"gpu": "h100", "n_gpus": 2},
        "result": {"tokens_per_s": 1480.5},
        "refusal": None,
        "door": "discord",
        "user_id": "80351110224678912",
        "guild_id": "1",
        "channel_id": "2",
        "created_at": NOW,
        "expires_at": NOW + 60,
    }
    return StoredResult(**{**values, **changes})


def all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_saved_result_comes_back_as_it_was(results: Results) -> None:
    kept = row(private=True)
    await results.save(kept)
    assert await results.get(kept.id) == kept


async def test_an_answer_that_is_deleted_before_its_row_is_on_disk_stays_deleted(
    results: Results, store: Store
) -> None:
    """The answer is out before its row is written; on a slow disk it may be deleted by then."""
    slow, kept = threading.Event(), row()
    store.write(lambda db: slow.wait(30))
    saved = results.save(kept)
    deleting = asyncio.create_task(results.delete(kept.id, by=Deleter(user_id=kept.user_id)))
    reading = asyncio.create_task(results.get(kept.id))
    assert await reading is None
    slow.set()
    await saved
    assert await deleting and await results.get(kept.id) is None


async def test_a_refusal_keeps_its_words_and_its_fixes(results: Results) -> None:
    fix = Fix(label="Use 2 GPUs", changes={"gpus": 2})
    refusal = Refusal(message="Does not fit.", field="n_gpus", given="1", fixes=(fix,))
    kept = row(request=None, result=None, refusal=refusal)
    await results.save(kept)
    assert await results.get(kept.id) == kept


@pytest.mark.parametrize(
    "typed", ["@everyone", "'; DROP TABLE results; --", "\u202eabc\x00", "🦙" * 1500, "a\nb"]
)
async def test_hostile_text_comes_back_unchanged(results: Results, typed: str) -> None:
    kept = row(inputs={"model": typed, typed: 1})
    await results.save(kept)
    back = await results.get(kept.id)
    assert back is not None
    assert back.inputs == kept.inputs


async def test_json_that_utf8_or_json_cannot_hold_is_kept_too(results: Results) -> None:
    kept = row(inputs=json.loads('{"batch": NaN, "rate": 1e999, "model": "\\ud800"}'))
    await results.save(kept)
    back = await results.get(kept.id)
    assert back is not None
    assert math.isnan(float(str(back.inputs["batch"])))
    assert back.inputs["rate"] == math.inf
    assert back.inputs["model"] == "\ud800"


@pytest.mark.parametrize("strange", ["", "x", "../../etc/passwd", "a" * 21, "a" * 23, "é" * 22])
async def test_a_thing_that_is_no_id_is_not_looked_up(results: Results, strange: str) -> None:
    assert await results.get(strange) is None


async def test_an_unknown_id_is_none(results: Results) -> None:
    assert await results.get(new_result_id()) is None


async def test_an_expired_result_is_gone_before_the_purge_comes(results: Results) -> None:
    kept = row(expires_at=NOW)
    await results.save(kept)
    assert await results.get(kept.id) is None
    assert not await results.delete(kept.id, by=Deleter(moderator=True))


@pytest.mark.parametrize(
    ("changes", "by", "may"),
    [
        ({}, Deleter(user_id="80351110224678912"), True),
        ({}, Deleter(user_id="80351110224678913"), False),
        ({}, Deleter(moderator=True), True),
        ({}, Deleter(), False),
        ({"user_id": ""}, Deleter(user_id=""), False),
        ({"door": "web", "user_id": "7"}, Deleter(user_id="7"), False),
        ({"door": "web", "delete_key": "k1"}, Deleter(delete_key="k1"), True),
        ({"door": "web", "delete_key": "k1"}, Deleter(delete_key="k2"), False),
        ({"door": "web", "delete_key": "k1"}, Deleter(delete_key=""), False),
        ({"door": "web", "delete_key": ""}, Deleter(delete_key=""), False),
        ({"door": "web", "delete_key": "k1"}, Deleter(delete_key="\ud800é"), False),
    ],
)
async def test_only_requester_moderator_or_key_deletes(
    results: Results, changes: dict[str, Any], by: Deleter, may: bool
) -> None:
    kept = row(**changes)
    await results.save(kept)
    assert await results.delete(kept.id, by=by) is may
    assert (await results.get(kept.id) is None) is may


async def test_the_second_delete_finds_nothing(results: Results) -> None:
    kept = row()
    await results.save(kept)
    assert await results.delete(kept.id, by=Deleter(moderator=True))
    assert not await results.delete(kept.id, by=Deleter(moderator=True))


async def test_the_delete_key_is_nowhere_in_the_file(
    store: Store, results: Results, tmp_path: Path
) -> None:
    kept = row(delete_key="correct-horse-battery")
    await results.save(kept)
    back = await results.get(kept.id)
    assert back is not None
    assert back.delete_key == ""
    await store.close()
    assert b"correct-horse-battery" not in all_bytes(tmp_path)


async def test_a_purge_removes_all_that_expired_and_nothing_else(
    store: Store, results: Results
) -> None:
    for age in range(PURGE_BATCH + 7):
        results.save(row(expires_at=NOW - age))
    living = row(expires_at=NOW + 1)
    await results.save(living)
    assert await results.purge(NOW) == PURGE_BATCH + 7
    assert await results.purge(NOW) == 0
    assert await store.read(lambda db: db.table("results").count) == 1
    assert await results.get(living.id) == living


async def test_where_an_answer_was_posted_is_known(results: Results) -> None:
    kept = row()
    await results.save(kept)
    assert await results.message_of(kept.id) is None
    await results.attach_message(kept.id, "55", "66")
    assert await results.message_of(kept.id) == Posted("55", "66")
    assert await results.message_of(new_result_id()) is None


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT rowid FROM results WHERE expires_at <= 1 ORDER BY expires_at", "expires_at"),
        ("SELECT id FROM results WHERE user_id = '1' ORDER BY created_at DESC", "user_id"),
    ],
)
async def test_expiry_and_user_are_found_by_index(store: Store, sql: str, index: str) -> None:
    def plan(db: Database) -> str:
        return " ".join(str(step[3]) for step in db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())

    used = await store.read(plan)
    assert f"INDEX idx_results_{index}" in used
    assert "TEMP B-TREE" not in used


def test_ids_are_22_url_safe_characters_and_differ() -> None:
    ids = {new_result_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 22 for one in ids)
