"""The whole bot beside another one, and what it lets go of by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import bot.app
from bot.app import App, StartError
from bot.effects import KEPT_S, Effect, enqueue
from bot.lock import DataDirLock
from bot.outbox import Outbox
from bot.store import FILE_NAME, Store
from config.settings import load_settings


async def test_a_second_bot_on_one_data_directory_does_not_start(tmp_path: Path) -> None:
    """It would post everything a second time."""
    said: list[str] = []
    with DataDirLock(tmp_path):
        app = App(load_settings(data_dir=str(tmp_path), http_port="0", nats_url="", refresh="off"))
        with pytest.raises(StartError, match=str(tmp_path)):
            await app.start(said.append)
        await app.close()
    assert said == [] and not (tmp_path / FILE_NAME).exists()


async def test_payloads_of_long_ago_are_let_go_of_every_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(tmp_path / FILE_NAME)

    def old(db: Any) -> None:
        enqueue(db, Effect("a", "x", {"text": "y"}))
        db.execute("UPDATE outbox SET state = 'sent', ended_at = 1.0")

    async def nothing(_: float) -> int:
        return 0

    await store.write(old)
    core = SimpleNamespace(results=SimpleNamespace(purge=nothing), jobs=None, outbox=Outbox(store))
    monkeypatch.setattr(bot.app, "PURGE_EVERY_S", 0.01)
    task = asyncio.create_task(bot.app._purge(cast("Any", core)))
    async with asyncio.timeout(10):
        while await store.read(_payload) != "{}":  # noqa: ASYNC110 -- a row has no event
            await asyncio.sleep(0.01)
    task.cancel()
    await store.close()
    assert KEPT_S == 90 * 86_400.0


def _payload(db: Any) -> str:
    return str(db.execute("SELECT payload FROM outbox").fetchone()[0])
