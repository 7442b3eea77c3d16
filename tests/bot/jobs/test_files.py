"""Files are fetched once, are what they are said to be, and go with the results they belong to."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bot.jobs import files
from bot.jobs.files import PNG_HEAD, PNG_TAIL, Files, check_content
from bot.jobs.words import Progress
from bot.results import Deleter
from compute.jobs.fetch import FileLost
from compute.jobs.job import Artefact
from tests.bot.jobs.parts import Bot, until_holds
from tests.bot.jobs.puppet import Given, Puppet, puppet
from tests.fakes.broker import Broker

pytestmark = pytest.mark.slow

TABLE = b"a,b\n1,2\n"
LINK = {"link": {"bucket": "b"}}
PNG = PNG_HEAD + b"pixels" + PNG_TAIL


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


async def end_with(bot: Bot, worker: Puppet, given: Given, ask: str, *files: Any) -> Progress:
    await worker.done(given, artefacts=files)
    return await bot.until(ask, "done")


async def test_files_come_here_under_their_hash_and_leave_the_worker(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        big = b"x" * 3_000_000
        files = [
            await alice.store(given.job, "table.csv", TABLE, "text/csv"),
            await alice.store(given.job, "picture.png", PNG, "image/png"),
            await alice.store(given.job, "big.txt", big, "text/plain"),
            await alice.store(given.job, "empty.txt", b"", "text/plain"),
        ]
        progress = await end_with(bot, alice, given, result_id, *files)
        assert progress.words == ""
        kept = await bot.jobs.files(result_id)
        assert [file.name for file in kept] == ["big.txt", "empty.txt", "picture.png", "table.csv"]
        for file, content in zip(kept, [big, b"", PNG, TABLE], strict=True):
            assert file.sha256 == hashlib.sha256(content).hexdigest()
            assert bot.jobs.path_of(file.sha256).read_bytes() == content
        await until_holds(broker, "OBJ_artefacts-alice")


async def test_the_same_content_is_fetched_once(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        for n in range(2):
            result_id = await bot.ask()
            given = await alice.take()
            said = await alice.store(given.job, f"t{n}.csv", TABLE, "text/csv")
            await end_with(bot, alice, given, result_id, said)
            assert [file.name for file in await bot.jobs.files(result_id)] == [f"t{n}.csv"]
    assert len(names_in(bot.folder / "artefacts")) == 1


@pytest.mark.parametrize(
    ("content", "media_type", "wrong", "why"),
    [
        (TABLE, "text/csv", {"sha256": "0" * 64}, "not what its hash says"),
        (TABLE, "text/csv", {"size": 7}, "not in the worker's store as was said"),
        (TABLE, "text/csv", {"name": "other.csv"}, "not in the worker's store"),
        (TABLE, "image/png", {}, "no PNG image"),
        (PNG, "text/plain", {}, "not UTF-8 text"),
        (b"a\0b", "text/plain", {}, "not text"),
        (b"{", "application/json", {}, "not JSON"),
        (b"[" * 200_000, "application/json", {}, "not JSON"),
        (b"", "text/plain", {"sha256": "0" * 64}, "not what its hash says"),
    ],
)
async def test_a_file_that_is_not_what_was_said_is_left_out_and_the_result_kept(
    bot: Bot, broker: Broker, content: bytes, media_type: str, wrong: dict[str, Any], why: str
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        bad = await alice.store(given.job, "bad.txt", content, media_type) | wrong
        good = await alice.store(given.job, "good.csv", b"c\n", "text/csv")
        progress = await end_with(bot, alice, given, result_id, bad, good)
    assert why in progress.words
    assert [file.name for file in await bot.jobs.files(result_id)] == ["good.csv"]
    assert names_in(bot.folder / "artefacts") == [good["sha256"]]


async def test_another_workers_file_cannot_be_claimed(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice, puppet(broker, "mallory") as mallory:
        first = await bot.ask()
        given = await alice.take()
        said = await alice.store(given.job, "private.csv", TABLE, "text/csv")
        await mallory.show()
        second = await bot.ask()
        other = await mallory.take()
        progress = await end_with(bot, mallory, other, second, said)
        assert "could not be kept" in progress.words
        assert await bot.jobs.files(second) == []
        await end_with(bot, alice, given, first, said)


async def test_a_link_to_another_store_is_not_followed(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        said = await alice.store(given.job, "real.csv", TABLE, "text/csv")
        store = await alice.js.object_store("artefacts-alice")
        info = await store.get_info(f"{given.job.id}/real.csv")
        assert info.nuid
        for nuid in ("*", ">", "..", "a b", ""):
            name = base64.urlsafe_b64encode(f"{given.job.id}/evil.csv".encode()).decode()
            meta = {
                "name": "x",
                "nuid": nuid,
                "size": len(TABLE),
                "options": {"link": {"bucket": "b"}},
            }
            headers = {"Nats-Rollup": "sub"}
            await alice.js.publish(
                f"$O.artefacts-alice.M.{name}", json.dumps(meta).encode(), headers=headers
            )
        progress = await end_with(bot, alice, given, result_id, said | {"name": "evil.csv"})
        assert "evil.csv could not be kept" in progress.words


async def test_two_files_of_one_name_are_not_taken(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        said = await alice.store(given.job, "a.csv", TABLE, "text/csv")
        progress = await end_with(bot, alice, given, result_id, said, said)
    assert "two files" in progress.words
    assert len(await bot.jobs.files(result_id)) == 1


async def test_files_go_when_no_result_has_them_any_more(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        asks = []
        for _ in range(2):
            result_id = await bot.ask()
            given = await alice.take()
            said = await alice.store(given.job, "t.csv", TABLE, "text/csv")
            await end_with(bot, alice, given, result_id, said)
            asks.append(result_id)
    [file] = await bot.jobs.files(asks[0])
    path, later = bot.jobs.path_of(file.sha256), time.time() + 90_000
    stray = path.with_name("part-abandoned")
    stray.write_bytes(b"half")
    for old in (path, stray):
        os.utime(old, (1.0, 1.0))
    await bot.results.delete(asks[0], by=Deleter(user_id="7"))
    assert await bot.jobs.purge(later) == 1
    assert path.is_file() and not stray.exists()
    await bot.results.delete(asks[1], by=Deleter(user_id="7"))
    assert await bot.jobs.purge(time.time()) == 0  # within the day that limits count
    assert await bot.jobs.purge(later) == 1
    assert not path.exists()
    assert await bot.rows("SELECT * FROM run_files") == []


def test_the_address_of_a_file_is_a_hash_and_nothing_else(bot: Bot) -> None:
    for wrong in ("", "../x", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "/" + "0" * 63):
        with pytest.raises(ValueError, match="SHA-256"):
            bot.jobs.path_of(wrong)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [("grüße".encode(), "text/html"), (b"{}", "application/json"), (PNG, "image/png")],
)
def test_sound_files_pass(tmp_path: Path, content: bytes, media_type: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    check_content(path, media_type)
    with pytest.raises(FileLost):
        check_content(path, "image/png" if media_type != "image/png" else "text/plain")


async def test_an_old_file_that_is_wanted_again_is_not_thrown_away_while_it_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has it when the hourly tidying reads what is kept; a run brings it just then."""
    kept, check = Files(tmp_path), files.check_content
    digest = hashlib.sha256(TABLE).hexdigest()
    path = kept.path_of(digest)
    path.parent.mkdir()
    path.write_bytes(TABLE)
    os.utime(path, (0, 0))

    def tidied(target: Path, media_type: str) -> None:
        kept._expire(set())
        check(target, media_type)

    monkeypatch.setattr(files, "check_content", tidied)
    table = Artefact(name="t.csv", media_type="text/csv", size=len(TABLE), sha256=digest)
    found, lost = await kept.fetch(None, "alice", "job", [table])  # type: ignore[arg-type]
    assert (len(found), lost, path.read_bytes()) == (1, [], TABLE)
