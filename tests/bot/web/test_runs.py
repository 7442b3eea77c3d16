"""Runs on workers through the pages: a real queue and a real worker behind real pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.command import Command, options_of
from bot.jobs.policy import DefaultPolicy
from bot.jobs.service import Jobs
from bot.limits import Limiter
from bot.results import Results
from bot.runner import Runner
from bot.store import Store
from bot.view import Bold, Heading, View
from bot.web import Services, create_app, start_pages
from config.settings import load_settings
from content.site import load_site
from tests import sample
from tests.bot.web.conftest import PlainCharts
from tests.fakes.broker import running_broker
from tests.fakes.worker_tools import Asked, Told, load
from tests.fakes.workers import FAST, running_worker

pytestmark = pytest.mark.slow

KEY = "the-key-of-this-browser-0123456789"
MINE = {"X-Delete-Key": KEY}


def command(name: str) -> Command:
    """A tool of the worker under test, shown in one line."""

    def show(request: Asked, result: Told) -> View:
        return View((Heading((Bold(result.text or "done"),)),))

    return Command(load(name), options_of(Asked, ("seconds", "size", "path")), show)


COMMANDS = {name: command(name) for name in ("null", "sleeper", "maker")}


@dataclass
class Site:
    """Pages with a queue and one worker behind them."""

    http: aiohttp.ClientSession
    jobs: Jobs

    async def ask(self, tool: str, **inputs: Any) -> dict[str, Any]:
        """What the API says to a run: 202."""
        url = f"/api/tools/{tool}"
        async with self.http.post(url, json=inputs, headers=MINE) as reply:
            assert reply.status == 202, await reply.text()
            assert reply.headers["Location"].endswith("/progress")
            told: dict[str, Any] = await reply.json()
            return told

    async def told(self, result_id: str) -> dict[str, Any]:
        """How far it is, as the page's script asks."""
        async with self.http.get(f"/r/{result_id}/progress") as reply:
            assert reply.status == 200, await reply.text()
            said: dict[str, Any] = await reply.json()
            return said

    async def until(self, result_id: str, state: str) -> dict[str, Any]:
        """Wait for that state."""
        for _ in range(1200):
            said = await self.told(result_id)
            if said["state"] == state:
                return said
            assert not said["ended"], said
            await asyncio.sleep(0.05)
        raise AssertionError(f"never {state}")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(running_broker())
        await stack.enter_async_context(running_worker(broker.local, "local"))
        settings = load_settings(data_dir=tmp_path, user_per_minute=1000)
        store = await Store.open(tmp_path / "pages.sqlite")
        stack.push_async_callback(store.close)
        tools = [c.tool for c in COMMANDS.values()]
        jobs = Jobs(store, DefaultPolicy(settings), data_dir=tmp_path, tools=tools, timing=FAST)
        await jobs.start(broker.bot)
        stack.push_async_callback(jobs.close)
        results = Results(store)
        runner = Runner(results, sample.PlainContext(), retention_days=1, jobs=jobs)
        services = Services(
            settings, COMMANDS, runner, results, PlainCharts(), Limiter(), load_site(), jobs=jobs
        )
        server, url = await start_pages(create_app(services), "127.0.0.1", 0)
        stack.push_async_callback(server.cleanup)
        http = await stack.enter_async_context(aiohttp.ClientSession(base_url=url))
        yield Site(http, jobs)


async def test_a_run_is_followed_to_its_answer(site: Site) -> None:
    asked = await site.ask("sleeper", seconds=1.0)
    said = await site.until(asked["id"], "running")
    assert said["worker"] == "local" and "Cancel" in said["html"]
    await site.until(asked["id"], "done")
    async with site.http.get(f"/r/{asked['id']}.json") as reply:
        kept = await reply.json()
    assert kept["state"] == "done" and kept["result"]["text"] == "slept"
    async with site.http.get(f"/r/{asked['id']}") as reply:
        page = await reply.text()
    assert "slept" in page and "data-run" not in page


async def test_its_page_follows_it_before_there_is_an_answer(site: Site) -> None:
    asked = await site.ask("sleeper", seconds=30.0)
    async with site.http.get(f"/r/{asked['id']}") as reply:
        page = await reply.text()
    assert f'data-run="{asked["id"]}"' in page and "run.js" in page
    async with site.http.get(f"/r/{asked['id']}.json") as reply:
        assert (await reply.json())["state"] in ("queued", "running")
    async with site.http.post(f"/r/{asked['id']}/cancel", headers=MINE) as reply:
        assert reply.status in (200, 202)


async def test_only_the_browser_that_asked_cancels_it(site: Site) -> None:
    asked = await site.ask("sleeper", seconds=60.0)
    await site.until(asked["id"], "running")
    other = {"X-Delete-Key": "some-other-browser-0123456789"}
    async with site.http.post(f"/r/{asked['id']}/cancel", headers=other) as reply:
        assert reply.status == 403
    async with site.http.post(f"/r/{asked['id']}/cancel") as reply:
        assert reply.status == 403
    async with site.http.post(f"/r/{asked['id']}/cancel", headers=MINE) as reply:
        assert reply.status == 202 and (await reply.json())["state"] == "cancelling"
    await site.until(asked["id"], "cancelled")
    async with site.http.post(f"/r/{asked['id']}/cancel", headers=MINE) as reply:
        assert reply.status == 409


async def test_files_come_with_their_type_and_can_do_nothing(site: Site) -> None:
    asked = await site.ask("maker", size=5000)
    await site.until(asked["id"], "done")
    async with site.http.get(f"/r/{asked['id']}") as reply:
        page = await reply.text()
    assert f"/r/{asked['id']}/artefacts/table.csv" in page
    async with site.http.get(f"/r/{asked['id']}/artefacts/table.csv") as reply:
        assert reply.status == 200 and len(await reply.read()) == 5000
        headers = reply.headers
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    for wrong in ("other.csv", "..%2Ftable.csv", "table.csv%00"):
        async with site.http.get(f"/r/{asked['id']}/artefacts/{wrong}") as reply:
            assert reply.status in (400, 404), wrong


async def test_deleting_an_unfinished_answer_ends_its_run(site: Site) -> None:
    asked = await site.ask("sleeper", seconds=60.0)
    await site.until(asked["id"], "running")
    async with site.http.delete(f"/api/results/{asked['id']}", headers=MINE) as reply:
        assert reply.status == 204
    for _ in range(600):
        if not site.jobs.counters()["running"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it runs on for nobody")


async def test_metrics_tell_a_neighbour_what_the_queue_did(site: Site) -> None:
    asked = await site.ask("null")
    await site.until(asked["id"], "done")
    async with site.http.get("/metrics") as reply:
        text = await reply.text()
    assert 'k2c_jobs_ended_total{cause="",state="done",tool="null"} 1.0' in text
    assert "k2c_queue_up 1.0" in text and "k2c_workers_online 1.0" in text
    assert 'k2c_job_run_seconds_bucket{le="+Inf",tool="null"} 1.0' in text
    for header in ("X-Forwarded-For", "X-Real-IP", "Via", "Forwarded"):
        async with site.http.get("/metrics", headers={header: "203.0.113.9"}) as reply:
            assert reply.status == 404, header


async def test_an_arithmetic_answer_has_no_run(site: Site) -> None:
    async with site.http.get("/r/AAAAAAAAAAAAAAAAAAAAAA/progress") as reply:
        assert reply.status == 404
