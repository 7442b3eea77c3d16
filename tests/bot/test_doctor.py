"""The doctor names what is wrong, says what to do, never waits for long and tells no secret."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot import doctor
from bot.doctor import Finding, examine, machine
from bot.lock import DataDirLock
from bot.store import FILE_NAME, Store
from config.settings import Settings, load_settings
from content.errors import CatalogueError

TOKEN = "MTA.fake.token"
Make = Callable[..., Settings]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Settings of an empty directory; the hub is a closed port, so that no test leaves loopback."""
    for info in Settings.model_fields.values():
        monkeypatch.delenv(str(info.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)

    def settings(**changes: Any) -> Settings:
        plain = {"data_dir": tmp_path / "data", "http_port": 0, "hf_endpoint": "http://127.0.0.1:9"}
        return load_settings(**{**plain, **changes})

    return settings


async def found(settings: Settings, part: str) -> Finding:
    findings = {finding.part: finding for finding in await examine(settings)}
    return findings[part]


@asynccontextmanager
async def serving(answer: Callable[[web.Request], Any]) -> AsyncIterator[int]:
    """A server of any kind on a free port of loopback."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = await answer(request)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def fine(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def never(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def test_with_nothing_configured_nothing_is_a_problem_and_nothing_is_made(make: Make) -> None:
    settings = make()
    findings = await examine(settings)
    assert [finding.part for finding in findings if finding.state == "problem"] == []
    assert [finding.part for finding in findings] == [name for name, _ in doctor.PARTS]
    assert not settings.data_dir.exists()


async def test_the_settings_given_are_named_without_their_values(make: Make) -> None:
    finding = await found(make(discord_token=TOKEN, home_guild_ids="1,2"), "settings")
    assert "DISCORD_GUILD_ID, DISCORD_TOKEN, HF_ENDPOINT" in finding.sentence
    assert "K2C_SITE_URL" not in finding.sentence
    assert TOKEN not in finding.sentence


async def test_who_uses_the_directory_is_named(make: Make) -> None:
    settings = make()
    with DataDirLock(settings.data_dir):
        finding = await found(settings, "data directory")
    assert finding.state == "ok"
    assert "In use by process" in finding.sentence


@pytest.mark.parametrize("folder", ["/proc/self", "/proc/self/new", "/dev/null"])
async def test_a_directory_that_cannot_be_written_is_a_problem(make: Make, folder: str) -> None:
    finding = await found(make(data_dir=folder), "data directory")
    assert finding.state == "problem"
    assert folder in finding.sentence
    assert "K2C_DATA_DIR" in finding.fix


async def test_a_full_disk_is_a_problem(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make()
    with DataDirLock(settings.data_dir):
        pass
    monkeypatch.setattr(machine, "FREE_NEEDED_GB", 1e9)
    finding = await found(settings, "data directory")
    assert (finding.state, finding.fix) == ("problem", "Free 1000000000.0 GB or more.")


async def test_a_database_in_use_is_whole_and_its_version_known(make: Make) -> None:
    settings = make()
    with DataDirLock(settings.data_dir):
        store = await Store.open(settings.data_dir / FILE_NAME)
        await store.set_fact("a", "b")
        finding = await found(settings, "database")
        await store.close()
    assert finding.state == "ok"
    assert "whole, version m" in finding.sentence


def broken(path: Path, how: str) -> None:
    if how == "rubbish":
        path.write_bytes(b"no database" * 1000)
        return
    if how in ("schema", "rows"):
        with path.open("r+b") as file:
            file.seek(4096 * 2 if how == "schema" else path.stat().st_size // 2)
            file.write(b"\xff" * 4096 * 2)
        return
    db = sqlite3.connect(path)
    db.execute("INSERT INTO _sqlite_migrations VALUES (99, 'k2c', 'm9999_later', '')")
    db.commit()
    db.close()


@pytest.mark.parametrize(
    ("how", "sentence", "fix"),
    [
        ("rubbish", "cannot be read: file is not a database", "k2c backup"),
        ("schema", "cannot be read: database disk image is malformed", "k2c backup"),
        ("rows", "is damaged", "k2c backup"),
        ("newer", "newer version (it has m9999_later", ""),
    ],
)
async def test_a_broken_database_is_a_problem(
    make: Make, how: str, sentence: str, fix: str
) -> None:
    settings = make()
    with DataDirLock(settings.data_dir):
        store = await Store.open(settings.data_dir / FILE_NAME)
        for number in range(500):
            store.set_fact(f"k{number}", "x" * 100)
        await store.close()
    broken(settings.data_dir / FILE_NAME, how)
    finding = await found(settings, "database")
    assert finding.state == "problem"
    assert sentence in finding.sentence
    assert fix in finding.fix


async def test_a_database_too_large_to_check_in_time_is_not_called_broken(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make()
    with DataDirLock(settings.data_dir):
        store = await Store.open(settings.data_dir / FILE_NAME)
        await store.close()
    monkeypatch.setattr(machine, "QUICK_CHECK_S", -1.0)
    monkeypatch.setattr(machine, "STEPS_BETWEEN_LOOKS", 1)
    finding = await found(settings, "database")
    assert finding.state == "ok"
    assert "too large to check" in finding.sentence


async def test_a_wrong_cell_of_a_catalogue_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise CatalogueError("gpus.csv", 7, "memory_gib", "'many'", "a number")

    monkeypatch.setattr(machine, "validate_catalogues", fail)
    finding = await found(make(), "catalogues")
    assert finding.state == "problem"
    assert "gpus.csv, row 7, column memory_gib" in finding.sentence


async def test_a_free_port_is_ok_and_another_programs_is_a_problem(make: Make) -> None:
    async with serving(fine) as port:
        taken = await found(make(http_port=port), "pages")
    free = await found(make(http_port=port), "pages")
    assert (taken.state, free.state) == ("problem", "ok")
    assert f"Another program uses port {port}" in taken.sentence
    assert "K2C_HTTP_PORT" in taken.fix


async def test_our_own_pages_on_the_port_are_ok(make: Make) -> None:
    async with serving(fine) as port:
        settings = make(http_port=port)
        with DataDirLock(settings.data_dir):
            finding = await found(settings, "pages")
    assert finding.state == "ok"
    assert "pages answer" in finding.sentence


@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 200])
async def test_an_address_that_is_not_ours_is_a_problem(make: Make, host: str) -> None:
    finding = await found(make(http_host=host, http_port=18080), "pages")
    assert finding.state == "problem"
    assert "K2C_HTTP_HOST" in finding.fix


async def test_links_that_lead_nowhere_are_told_and_a_public_address_is_ok(make: Make) -> None:
    nowhere = await found(make(discord_token=TOKEN), "public address")
    fine = await found(make(public_url="https://me:pw@bot.example.org/x"), "public address")
    assert (nowhere.state, fine.state) == ("off", "ok")
    assert "K2C_PUBLIC_URL" in nowhere.fix
    assert fine.sentence == "Links begin with https://bot.example.org."


async def test_a_hub_that_answers_is_ok_and_any_other_is_only_a_note(make: Make) -> None:
    async def sick(request: web.Request) -> web.Response:
        return web.Response(status=503)

    async with serving(fine) as port:
        assert (await found(make(hf_endpoint=f"http://127.0.0.1:{port}"), "hugging face")) == (
            Finding("hugging face", "ok", f"http://127.0.0.1:{port} answers.")
        )
    async with serving(sick) as port:
        finding = await found(make(hf_endpoint=f"http://127.0.0.1:{port}"), "hugging face")
        assert (finding.state, "503" in finding.sentence) == ("off", True)
    assert (await found(make(), "hugging face")).state == "off"


async def test_missing_packages_are_told_apart(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_version", lambda package: None)
    assert (await found(make(), "charts")).state == "problem"
    assert (await found(make(), "torch")).state == "off"
    monkeypatch.setattr(machine, "_version", lambda package: "1.2")
    assert (await found(make(), "torch")).sentence == "torch 1.2; only the worker uses it."


async def test_a_part_that_never_answers_is_given_up(make: Make) -> None:
    async with serving(never) as port:
        settings = make(discord_token=TOKEN, discord_api_base=f"http://127.0.0.1:{port}/api/v10")
        findings = await examine(settings, part_s=0.2)
    told = {finding.part: finding for finding in findings}
    assert (told["discord"].state, told["discord"].sentence) == (
        "problem",
        "No answer within 0.2 s.",
    )
    assert told["charts"].state == "ok"


async def test_a_check_that_fails_hides_what_its_error_says(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bad(settings: Settings) -> list[Finding]:
        raise RuntimeError(TOKEN)

    monkeypatch.setattr(doctor, "PARTS", (("bad", bad),))
    finding = await found(make(), "bad")
    assert (finding.state, finding.sentence) == (
        "problem",
        "The check itself failed (RuntimeError).",
    )
