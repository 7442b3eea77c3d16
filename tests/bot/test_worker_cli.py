"""``k2c worker`` lets machines in and out; what a person must change is one sentence, exit 2."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.lock import DataDirLock
from bot.worker_cli import add_worker_commands
from compute.broker.access import Access
from compute.broker.folder import Folder
from compute.broker.process import running_pid
from compute.broker.server import broker_access
from compute.broker.workers import list_workers
from compute.jobs.connection import ConnectionRefused
from compute.worker import main as worker_main
from config.settings import Settings
from tests.fakes.broker import Broker

ROOT = Path(__file__).parents[2]
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
CODE = (
    "import argparse, sys; from bot.worker_cli import add_worker_commands;"
    "parser = argparse.ArgumentParser(); add_worker_commands(parser.add_subparsers());"
    "chosen = parser.parse_args(sys.argv[1:]); sys.exit(chosen.start(chosen))"
)


@pytest.fixture(autouse=True)
def settings_of_this_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for info in Settings.model_fields.values():
        monkeypatch.delenv(str(info.validation_alias), raising=False)
    monkeypatch.delenv("K2C_WORKER_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K2C_DATA_DIR", str(tmp_path))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the worker would have been started with."""
    calls: list[dict[str, Any]] = []

    async def run_worker(access: Access, **rest: Any) -> None:
        calls.append({"access": access, **rest})

    monkeypatch.setattr(worker_main, "run_worker", run_worker)
    return calls


def k2c(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_worker_commands(parser.add_subparsers())
    chosen = parser.parse_args(arguments)
    return int(chosen.start(chosen))


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that ends with a sentence and exit code 2; the sentence."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            k2c(*arguments)
        assert caught.value.code == 2
        shown = capsys.readouterr()
        assert shown.out == "" and shown.err.startswith("k2c: ") and "Traceback" not in shown.err
        return shown.err

    return run


def test_the_line_that_add_prints_runs_that_worker(
    broker: Broker, ran: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert k2c("worker", "add", "gpu-1", "--lanes", "any, cuda") == 0
    printed = capsys.readouterr()
    program, *rest = printed.out.split()
    assert program == "k2c" and k2c(*rest) == 0
    [call] = ran
    assert call["name"] == "gpu-1" and call["access"].urls == broker.bot.urls
    assert "this machine only: set K2C_NATS_LISTEN" in printed.err
    [worker] = list_workers(broker.folder)
    assert worker.lanes == ("any", "cuda")


@pytest.mark.parametrize("way", ["argument", "input", "variable"])
def test_a_token_is_taken_from_argument_input_or_environment(
    way: str, ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(("tls://gpu.example.org:4222",), "gpu-1", SEED)
    token = access.encode()
    if way == "input":
        monkeypatch.setattr(sys, "stdin", io.StringIO(token + "\n"))
    if way == "variable":
        monkeypatch.setenv("K2C_WORKER_TOKEN", token)
    shown = {"argument": [token], "input": ["-"], "variable": []}[way]
    assert k2c("worker", "run", *shown, "--lanes", "cuda") == 0
    assert ran == [{"access": access, "name": "gpu-1", "allowed_lanes": ("cuda",)}]


def test_the_local_worker_uses_its_own_key_of_the_embedded_server(
    broker: Broker, ran: list[dict[str, Any]]
) -> None:
    assert k2c("worker") == 0
    assert k2c("worker", "--lanes", "any") == 0
    assert ran[0] == {"access": broker.local, "name": "local", "allowed_lanes": ()}
    assert ran[1]["allowed_lanes"] == ("any",)


def test_an_existing_nats_comes_from_options_over_settings(
    ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gpu.nk").write_text(SEED)
    monkeypatch.setenv("K2C_NATS_URL", "tls://one:4222")
    monkeypatch.setenv("K2C_NATS_CREDS", str(tmp_path / "gpu.nk"))
    assert k2c("worker", "run", "--name", "gpu-1") == 0
    assert k2c("worker", "run", "--url", "tls://two:4222", "--name", "gpu-2") == 0
    assert k2c("worker") == 0
    assert [call["access"].urls for call in ran] == [
        ("tls://one:4222",),
        ("tls://two:4222",),
        ("tls://one:4222",),
    ]
    assert [call["name"] for call in ran] == ["gpu-1", "gpu-2", "local"]
    assert all(call["access"].seed == SEED for call in ran)


def test_accounts_of_an_existing_nats_are_not_made_here(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.setenv("K2C_NATS_URL", "tls://nats.example.org:4222")
    for command in (("add", "gpu-1"), ("remove", "gpu-1"), ("list",)):
        sentence = fails("worker", *command)
        assert "accounts are managed there" in sentence
        assert "k2c worker run --url tls://nats.example.org:4222 --creds FILE" in sentence
    assert "not ours" in fails("down")


def test_what_is_missing_or_wrong_is_a_sentence(
    fails: Callable[..., str], ran: list[dict[str, Any]]
) -> None:
    assert "k2c up" in fails("worker")
    assert "k2c up" in fails("worker", "add", "gpu-1")
    assert "Give the token" in fails("worker", "run")
    assert "no token" in fails("worker", "run", "hello")
    assert "damaged" in fails("worker", "run", "k2c1.AAAA")
    assert "no name" in fails("worker", "run", "--url", "tls://a", "--name", "A B")
    assert "worker's name" in fails("worker", "add", "GPU")
    assert "no worker gpu-1" in fails("worker", "remove", "gpu-1")
    assert not ran


def test_a_refused_key_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    async def run_worker(access: Access, **rest: Any) -> None:
        raise ConnectionRefused("The queue no longer accepts the key of worker gpu-1.")

    monkeypatch.setattr(worker_main, "run_worker", run_worker)
    token = Access(("tls://gpu.example.org:4222",), "gpu-1", SEED).encode()
    sentence = fails("worker", "run", token)
    assert "no longer accepts" in sentence and SEED not in sentence


def test_every_command_of_the_page_is_one_that_we_have() -> None:
    parser = argparse.ArgumentParser()
    add_worker_commands(parser.add_subparsers())
    page = (ROOT / "docs" / "attach-a-gpu.md").read_text(encoding="utf-8")
    lines = re.findall(r"^ *k2c ((?:worker|broker|down)[^#\n]*)", page, re.M)
    assert len(lines) >= 7
    for line in lines:
        assert callable(parser.parse_args(line.split()).start), line


def test_list_and_remove_and_down(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    k2c("worker", "list")
    k2c("worker", "add", "gpu-1", "--lanes", "cuda80")
    k2c("worker", "add", "gpu-2")
    capsys.readouterr()
    k2c("worker", "list")
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "gpu-1" and first.endswith("cuda80")
    assert second.split()[0] == "gpu-2" and second.endswith("all lanes")
    k2c("worker", "remove", "gpu-1")
    assert [worker.name for worker in list_workers(broker.folder)] == ["gpu-2"]
    k2c("down")
    k2c("down")
    said = capsys.readouterr().out
    assert "is stopped" in said and "was not running" in said and "bot" not in said
    assert running_pid(Folder.at(broker.folder)) is None


def test_down_says_that_a_running_bot_starts_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with DataDirLock(tmp_path):
        k2c("down")
    assert f"The bot runs (process {os.getpid()}) and starts it again" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process learns of that")
def test_a_local_worker_whose_bot_was_killed_before_it_began_does_not_begin(
    broker: Broker, ran: list[dict[str, Any]]
) -> None:
    assert k2c("worker", "--with-parent", "1") == 0
    assert ran == []
    assert k2c("worker", "--with-parent", str(os.getppid())) == 0
    assert [call["name"] for call in ran] == ["local"]


@pytest.mark.slow
def test_the_server_in_the_foreground_is_found_by_the_other_commands(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE]
    server = subprocess.Popen([*command, "broker"], cwd=ROOT, env={**os.environ})
    try:
        folder = tmp_path / "broker"
        until = time.monotonic() + 20
        while running_pid(Folder(folder)) != server.pid or not (folder / "bot.nk").exists():
            assert server.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        assert (folder / "bot.nk").read_text().strip() == broker_access(folder).seed
        assert (folder / "bot.nk").stat().st_mode & 0o077 == 0
        again = subprocess.run([*command, "broker"], cwd=ROOT, capture_output=True, text=True)
        assert again.returncode == 2 and "runs already" in again.stderr
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) in (0, 1, -signal.SIGTERM)
    finally:
        server.kill()
        server.wait()
