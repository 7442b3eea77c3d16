"""The outbox in a real process, killed at every step, at a server that fails as servers do."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.bench.harness import ROOT, clean_environment
from tests.bot.outbox_process import GRACE_S, TRY_S

pytestmark = pytest.mark.slow

COUNT = 4
FAULTS = ("502 before", "502 after", "reset before", "reset after", "slow", "late")


@dataclass
class Server:
    """Keeps what was posted. ``plan`` says what happens to the next requests; "kill before" and
    "kill after" end the client while its request is on the way.
    """

    plan: list[str] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    client: asyncio.subprocess.Process | None = None
    url: str = ""

    async def post(self, request: web.Request) -> web.Response:
        """One effect."""
        key = (await request.json())["key"]
        what = self.plan.pop(0) if self.plan else ""
        if what == "late":  # the answer is a failure, and then it happens after all
            asyncio.get_running_loop().call_later(GRACE_S - TRY_S, self.kept.update, [key])
            return web.Response(status=502)
        if what.endswith("before"):
            return await self._fail(request, what)
        self.kept[key] += 1
        return await self._fail(request, what) if what else web.Response()

    async def look(self, request: web.Request) -> web.Response:
        """The keys that are here."""
        return web.json_response(list(self.kept))

    async def _fail(self, request: web.Request, what: str) -> web.Response:
        if what.startswith("kill") and self.client is not None:
            self.client.send_signal(signal.SIGKILL)
            await self.client.wait()
        elif what == "slow":
            await asyncio.sleep(TRY_S * 2)
        elif what.startswith("reset") and isinstance(request.transport, asyncio.Transport):
            raw = request.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
        return web.Response(status=502)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_post("/", made.post)
    app.router.add_get("/", made.look)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


async def process(server: Server, path: Path, point: str) -> int:
    """Run it to its end; how it ended."""
    server.client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bot.outbox_process", str(path), server.url, str(COUNT), point,
        cwd=ROOT, env=clean_environment(), stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return await asyncio.wait_for(server.client.wait(), 60)
    finally:
        if server.client.returncode is None:
            server.client.kill()


async def test_a_server_that_fails_gets_each_effect_once(server: Server, tmp_path: Path) -> None:
    server.plan = list(FAULTS)
    assert await process(server, tmp_path / "a.sqlite", "") == 0
    assert server.plan == []
    assert server.kept == {f"key {number}": 1 for number in range(COUNT)}


@pytest.mark.parametrize(
    ("point", "plan"),
    [
        ("enqueued", []),
        ("written", []),
        ("attempted", []),
        ("answered", []),
        ("looking", ["502 after"]),
        ("looking", ["502 before"]),
        ("looked", ["reset after"]),
        ("looked", ["reset before"]),
        ("over", []),
        ("", ["kill before"]),
        ("", ["kill after"]),
        ("", ["502 after", "kill after", "kill before"]),
    ],
)
async def test_killed_at_any_step_nothing_is_lost_or_doubled(
    server: Server, tmp_path: Path, point: str, plan: list[str]
) -> None:
    server.plan = list(plan)
    first = await process(server, tmp_path / "a.sqlite", point)
    assert first == -signal.SIGKILL
    for _ in range(3):
        if await process(server, tmp_path / "a.sqlite", "") == 0:
            break
    assert server.kept == {f"key {number}": 1 for number in range(COUNT)}
