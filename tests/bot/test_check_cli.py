"""``k2c worker check`` against real pages: it proves a worker each time, also on public pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bot import check_cli
from bot.check_cli import check_worker
from bot.commands import load_command
from bot.jobs.policy import DefaultPolicy
from bot.jobs.service import Jobs
from bot.limits import Limiter
from bot.operator_key import FILE_NAME, make_key
from bot.results import Results
from bot.runner import Runner
from bot.store import Store
from bot.web import Services, create_app, start_pages
from config.settings import Settings, load_settings
from content.site import load_site
from tests import sample
from tests.bot.jobs.parts import until
from tests.bot.web.conftest import PlainCharts
from tests.fakes.broker import Broker, running_broker
from tests.fakes.workers import FAST, running_worker

pytestmark = pytest.mark.slow


@dataclass
class Place:
    """A bot with public pages, and what a command on its machine needs to know."""

    settings: Settings
    broker: Broker
    jobs: Jobs

    async def check(self, *, cuda: bool = False) -> int:
        """As the operator runs it."""
        return await asyncio.to_thread(check_worker, self.settings, cuda=cuda)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(running_broker())
        settings = load_settings(data_dir=tmp_path, public_url="https://bot.example.org")
        store = await Store.open(tmp_path / "pages.sqlite")
        stack.push_async_callback(store.close)
        command = load_command("selfcheck")
        policy = DefaultPolicy(settings)
        jobs = Jobs(store, policy, data_dir=tmp_path, tools=[command.tool], timing=FAST)
        await jobs.start(broker.bot)
        stack.push_async_callback(jobs.close)
        await until(lambda: bool(jobs.counters()["queue_up"]))
        results = Results(store)
        runner = Runner(results, sample.PlainContext(), retention_days=1, jobs=jobs)
        services = Services(
            settings, {"selfcheck": command}, runner, results, PlainCharts(), Limiter(),
            load_site(), jobs=jobs, operator_key=make_key(tmp_path),
        )  # fmt: skip
        server, url = await start_pages(create_app(services), "127.0.0.1", 0)
        stack.push_async_callback(server.cleanup)
        known = load_settings(data_dir=tmp_path, http_port=int(url.rpartition(":")[2]))
        yield Place(known, broker, jobs)


@pytest.mark.slow
async def test_each_check_is_run_by_a_worker_also_where_pages_are_open_to_others(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = {"tools": ("selfcheck",), "module": "compute.worker.child"}
    async with running_worker(place.broker.local, "local", **tools):
        for _ in range(2):
            assert await place.check() == 0
            said = capsys.readouterr().out
            assert "running on local" in said and "A worker answers: no GPU" in said
    assert place.jobs.counters()["ended"]["selfcheck", "done", ""] == 2


async def test_who_cannot_read_the_operators_key_may_not_ask_there(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.settings.data_dir / FILE_NAME).write_text("guessed")
    assert await place.check() == 1
    assert "a page that others reach too" in capsys.readouterr().err


async def test_a_check_that_gives_up_says_what_it_waited_for_and_leaves_no_run(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_cli, "PATIENCE_S", 0.5)
    assert await place.check(cuda=True) == 1
    assert "(queued: No worker is online.)" in capsys.readouterr().err
    await until(lambda: not place.jobs.counters()["queued"])


@contextmanager
def stranger(body: bytes) -> Iterator[int]:
    """Another program on the bot's port."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(202)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"null"])
def test_another_program_on_that_port_is_told_from_a_bot(
    body: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stranger(body) as port:
        assert check_worker(load_settings(data_dir=tmp_path, http_port=port), cuda=False) == 1
    assert "is no bot of this version" in capsys.readouterr().err


def test_without_a_bot_it_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_worker(load_settings(data_dir=tmp_path, http_port=9), cuda=False) == 1
    assert "start it with k2c up" in capsys.readouterr().err
    assert check_worker(load_settings(data_dir=tmp_path, http_port=0), cuda=False) == 1
    assert "that k2c up printed" in capsys.readouterr().err
