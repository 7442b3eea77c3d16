"""A broker that dies while the bot runs is started again, with what it held."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot import broker_watch
from bot.broker_watch import keep_broker
from bot.queueing import BROKER_FOLDER, bot_access
from compute.broker.folder import BrokerError
from compute.jobs.connection import connect
from config.settings import Settings, load_settings
from tests.fakes.broker import Broker


class Down:
    """A queue that is out of reach, or not."""

    def __init__(self, up: bool) -> None:
        self.queue_up = up


@pytest.mark.slow
async def test_a_killed_broker_is_started_again_with_its_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_watch, "AWAY_S", 0.1)
    settings = load_settings(data_dir=tmp_path)
    access = await bot_access(settings)
    broker = Broker(tmp_path / BROKER_FOLDER)
    try:
        client = await connect(access)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
        await client.jetstream().publish("kept", b"message")
        await client.close()
        await asyncio.to_thread(broker.kill)
        watching = asyncio.create_task(keep_broker(settings, Down(False), look_s=0.05))
        client = await connect(access, patience_s=30)
        info = await client.jetstream().stream_info("KEPT")
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await client.close()
        assert info.state.messages == 1
    finally:
        await asyncio.to_thread(broker.stop)


@pytest.mark.parametrize("trouble", [BrokerError("no server"), OSError("disk full")])
async def test_it_goes_on_trying_whatever_went_wrong(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    monkeypatch.setattr(broker_watch, "AWAY_S", 0.001)
    tries = asyncio.Semaphore(0)

    async def fail(_: Settings) -> None:
        tries.release()
        raise trouble

    monkeypatch.setattr(broker_watch, "bot_access", fail)
    watching = asyncio.create_task(keep_broker(load_settings(), Down(False), look_s=0.001))
    async with asyncio.timeout(30):
        for _ in range(2):
            await tries.acquire()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_one_that_answers_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_watch, "AWAY_S", 0.001)
    settings = load_settings(data_dir=tmp_path)
    watching = asyncio.create_task(keep_broker(settings, Down(True), look_s=0.001))
    await asyncio.sleep(0.05)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not (tmp_path / BROKER_FOLDER).exists()
