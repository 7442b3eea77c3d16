"""The real PyGithub on the fake GitHub with the outbox over it, and what no test may leave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.effects import Effect, Told, enqueue
from bot.integrations.github_discussions.service import GitHubService
from bot.outbox import Outbox
from bot.store import Store
from config.settings import Settings, load_settings
from tests.fakes.github import FakeGitHub

SECRETS = ("ghp_fake", "ghs_fake", "PRIVATE KEY-----")


@dataclass
class Bot:
    """A running service with its outbox."""

    service: GitHubService
    outbox: Outbox
    store: Store

    async def enqueue(self, *made: Effect) -> None:
        """Decide effects."""
        await self.store.write(lambda db: [enqueue(db, effect) for effect in made])
        self.outbox.wake()

    async def told(self, key: str) -> Told:
        """How an effect stands."""
        told = await self.outbox.state_of(key)
        assert told is not None
        return told

    async def ended(self, *keys: str, timeout_s: float = 30.0) -> list[Told]:
        """Wait until all of them are done or given up."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = [await self.told(key) for key in keys]
                if all(told.state in ("sent", "never") for told in found):
                    return found
                await asyncio.sleep(0.02)

    async def put_off(self, key: str, reason: str, timeout_s: float = 20.0) -> Told:
        """Wait until it is put off for a reason that holds those words."""
        async with asyncio.timeout(timeout_s):
            while True:
                told = await self.told(key)
                if reason in told.reason:
                    return told
                await asyncio.sleep(0.02)


@dataclass
class World:
    """A fake GitHub and a database; ``bot`` runs the service over both, again and again.

    Scaled down from production: the grace, the pace of changes and how long a refusal holds.
    """

    fake: FakeGitHub
    folder: Path
    grace_s: float = 1.2
    every_s: float = 0.02
    hold_s: float = 300.0
    timeout_s: int = 1
    settings: dict[str, Any] = field(default_factory=dict)

    def service(self) -> GitHubService:
        """One that is not started."""
        given: dict[str, Any] = {
            "github_token": self.fake.token,
            "github_api_base": self.fake.api_base,
            "github_repository": self.fake.repository,
        }
        settings = load_settings(**(given | self.settings))
        return GitHubService(settings, timeout_s=self.timeout_s, hold_s=self.hold_s)

    def as_app(self) -> None:
        """From now on the bot is an App."""
        self.settings |= {
            "github_token": None,
            "github_app_id": str(self.fake.app.id),
            "github_installation_id": str(self.fake.app.installation_id),
            "github_app_private_key": self.fake.app.private_key,
        }

    @asynccontextmanager
    async def bot(self, *, start: bool = True) -> AsyncIterator[Bot]:
        """A process of the bot, from start to its end."""
        store = await Store.open(self.folder / "k2c.sqlite")
        outbox, service = Outbox(store), self.service()
        service.register(outbox, grace_s=self.grace_s, every_s=self.every_s)
        with contextlib.suppress(Exception):
            await service.look()  # PyGithub is imported and a connection made
        if start:
            await service.start()
        running = asyncio.create_task(outbox.run())
        try:
            yield Bot(service, outbox, store)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await service.close()
            await store.close()


@pytest.fixture
async def world(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.chdir(tmp_path)  # no .env file of the developer's is read
    for info in Settings.model_fields.values():
        monkeypatch.delenv(str(info.validation_alias), raising=False)
    monkeypatch.setattr("bot.outbox.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("bot.outbox.LOOK_S", 0.2)
    for name in ("bot", "github", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, name)
    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
    async with FakeGitHub() as fake:
        yield World(fake, tmp_path)
        assert fake.violations == []
        assert fake.most_in_flight_mutations <= 1
        assert {call.user_agent for call in fake.calls} <= {"k2c"}
    gc.collect()  # an exception that nobody looked at is told of when its task goes
    await asyncio.sleep(0)
    assert unhandled == []
    for record in [*caplog.get_records("setup"), *caplog.get_records("call")]:
        said = record.getMessage()
        assert not any(secret in said for secret in SECRETS), said
        assert "never retrieved" not in said
