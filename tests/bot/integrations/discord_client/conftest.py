"""The real client against the fake Discord, and a check of what no test may leave."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.command import Command
from bot.integrations.discord_client.client import DiscordService, K2CClient
from bot.integrations.discord_client.parts import DiscordParts
from bot.limits import Limiter
from bot.outbox import Outbox
from bot.results import Results
from bot.runner import LiveRun, Runner
from bot.store import Store
from compute.context import LocalContext
from config.settings import load_settings
from tests.bot.integrations.discord_client import pace
from tests.fakes.discord import FakeDiscord
from tests.fakes.jobs import FakeJobs

LOOPBACK = ("127.0.0.1", "::1")
PATIENCE_S = 20.0  # of the fake Discord, whose 3 s a busy machine may stand still for


@dataclass
class Bot:
    """A running service and what it was given."""

    service: DiscordService
    parts: DiscordParts
    running: asyncio.Task[None]
    outbox: Outbox
    delivering: asyncio.Task[None]

    @property
    def client(self) -> K2CClient:
        """The client that is connected now."""
        assert self.service.client is not None
        return self.service.client


@dataclass
class World:
    """A fake Discord and a database; ``bot`` runs a client over both, again and again."""

    fake: FakeDiscord
    folder: Path
    charts: pace.Charts = field(default_factory=pace.Charts)
    settings: dict[str, Any] = field(default_factory=dict)
    tracebacks: int = 0  # how many this test is meant to log
    jobs: FakeJobs | None = None
    grace_s: float = 1.0  # before a message of unknown fate is looked for
    extra: Callable[[DiscordParts, Outbox], Awaitable[DiscordParts]] | None = None

    @asynccontextmanager
    async def bot(
        self, commands: Mapping[str, Command] | None = None, *, wait: bool = True
    ) -> AsyncIterator[Bot]:
        """A process of the bot, from start to graceful shutdown."""
        store = await Store.open(self.folder / "k2c.sqlite")
        context = LocalContext("http://127.0.0.1:9")
        results = Results(store)
        outbox = Outbox(store)
        if self.jobs is not None:
            self.jobs.connect(store, outbox.wake)
        given: dict[str, Any] = {
            "discord_token": self.fake.token,
            "discord_api_base": self.fake.api_base,
            "discord_cdn_base": self.fake.cdn_base,
            "home_guild_ids": self.fake.home.id,
        }
        settings = load_settings(**(given | self.settings))
        parts = DiscordParts(
            settings=settings,
            commands=commands or {"pace": pace.command()},
            runner=Runner(
                results, context, retention_days=90, jobs=self.jobs, live=_live(commands or {})
            ),
            results=results,
            store=store,
            charts=self.charts,
            limiter=Limiter(),
            base_url="https://k2c.example",
            jobs=self.jobs,
        )
        if self.extra is not None:
            parts = await self.extra(parts, outbox)
        service = DiscordService(parts)
        service.answers.register(outbox, grace_s=self.grace_s)
        delivering = asyncio.create_task(outbox.run())
        running = asyncio.create_task(service.start())
        bot = Bot(service, parts, running, outbox, delivering)
        try:
            if wait:
                await asyncio.wait_for(service.ready.wait(), 60)
                await self.fake.ready()
            yield bot
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
            await service.close()
            await asyncio.gather(bot.running, return_exceptions=True)
            await context.close()
            await store.close()


def _live(commands: Mapping[str, Command]) -> dict[str, LiveRun]:
    return {name: c.live for name, c in commands.items() if c.live is not None}


@pytest.fixture
def _library_as_it_was() -> Iterator[None]:
    kept = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE = kept


@pytest.fixture
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address a socket was to be opened to; anything but loopback fails the test."""
    asked: list[str] = []
    real = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def sock_connect(self: Any, sock: Any, address: Any) -> None:
        asked.append(str(address[0]))
        assert address[0] in LOOPBACK, f"a socket was opened to {address}"
        await real(self, sock, address)

    async def getaddrinfo(self: Any, host: str, *_: Any, **__: Any) -> Any:
        asked.append(str(host))
        raise AssertionError(f"{host} was looked up")

    loop = asyncio.selector_events.BaseSelectorEventLoop
    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    return asked


@pytest.fixture
async def world(
    tmp_path: Path,
    only_loopback: list[str],
    _library_as_it_was: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    monkeypatch.chdir(tmp_path)  # no .env file of the developer's is read
    caplog.set_level(logging.INFO)
    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
    async with FakeDiscord(ack_deadline_s=PATIENCE_S) as fake:
        made = World(fake, tmp_path)
        gc.freeze()  # what was there before (Discord's schema) need not be searched for each test
        yield made
        assert fake.violations == []
    gc.collect()  # an exception that nobody looked at is told of when its task goes
    gc.unfreeze()
    await asyncio.sleep(0)
    assert unhandled == []
    check_log([*caplog.get_records("setup"), *caplog.get_records("call")], made.tracebacks)


def check_log(records: list[logging.LogRecord], tracebacks: int) -> None:
    """No exception that nobody looked at, no token, no traceback but those a test is about."""
    for record in records:
        assert "never retrieved" not in record.getMessage()
        assert "fake.token" not in record.getMessage()
    # "Attempting a reconnect" is the library's way to tell of a lost connection.
    own = [r for r in records if r.exc_info and "Attempting a reconnect" not in str(r.msg)]
    assert len(own) == tracebacks, [r.getMessage() for r in own]
