"""A sender that does what a test plans, and an outbox with it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import bot.outbox
from bot.outbox import Effect, Outbox, Receipt, Told, enqueue
from bot.store import Store

GRACE_S = 0.3


@dataclass
class Sender:
    """Does what the plan says of each key, in order: an error to raise, or seconds to take."""

    plan: dict[str, list[Any]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    tried: list[str] = field(default_factory=list)
    looked: list[tuple[str, float]] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    blind: int = 0

    async def send(self, effect: Effect) -> Receipt:
        """One attempt."""
        self.tried.append(effect.key)
        self.at_s.append(time.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            steps = self.plan.get(effect.key) or [0.0]
            what = steps.pop(0)
            if isinstance(what, str):  # done, but nobody hears of it
                self.done[effect.key] += 1
                raise OSError(what)
            if isinstance(what, Exception):
                raise what
            await asyncio.sleep(what)
            self.done[effect.key] += 1
            return {"number": len(self.tried), **effect.payload}
        finally:
            self.under_way -= 1

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Whether it was done."""
        self.looked.append((effect.key, since))
        if self.blind:
            self.blind -= 1
            raise OSError("cannot look")
        return {"found": True} if self.done[effect.key] else None


@dataclass
class World:
    """A store with an outbox."""

    store: Store
    outbox: Outbox
    sender: Sender

    async def add(self, *effects: Effect) -> list[bool]:
        """In one change each."""
        added = [await self.store.write(partial(enqueue, effect=e)) for e in effects]
        self.outbox.wake()
        return added

    async def over(self, key: str, state: str = "sent") -> Told:
        """Once it is in that state."""
        for _ in range(1000):
            told = await self.outbox.state_of(key)
            if told is not None and told.state == state:
                return told
            await asyncio.sleep(0.01)
        raise AssertionError(f"{key} is {told}")

    async def begun(self) -> None:
        """Once an attempt is under way."""
        for _ in range(1000):
            if self.sender.tried:
                return
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the outbox works."""
        task = asyncio.create_task(self.outbox.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(bot.outbox, "FIRST_PAUSE_S", 0.05)
    store = await Store.open(tmp_path / "k2c.sqlite")
    made = World(store, Outbox(store), Sender())
    made.outbox.register("post", made.sender, send_limit_s=0.2, grace_s=GRACE_S)
    yield made
    await store.close()


def effect(key: str, **what: Any) -> Effect:
    return Effect(key, what.pop("kind", "post"), {"text": key}, **what)
