"""A repository webhook: every change is delivered by itself, in order, and can be sent again."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import dataclass

import aiohttp

from tests.fakes.github import hooks
from tests.fakes.github.errors import Json


@dataclass(eq=False)
class Delivery:
    """One delivery; ``status`` is 0 where nobody answered in time, as GitHub's list shows it."""

    event: str
    action: str
    payload: Json
    guid: str
    status: int = 0
    tries: int = 0


class Subscription:
    """Sends what ``emit`` is given; ``paused`` loses it, as when the receiver is not there."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.secret = url, secret
        self.deliveries: list[Delivery] = []
        self.paused = False
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def emit(self, name: str, payload: Json) -> None:
        """Queue a delivery of ``discussion.created`` and the like."""
        event, _, action = name.partition(".")
        delivery = Delivery(event, action, payload, str(uuid.uuid4()))
        self.deliveries.append(delivery)
        if not self.paused:
            self._waiting.put_nowait(delivery)

    async def redeliver(self, delivery: Delivery, guid: str | None = None) -> int:
        """Send a delivery again under its own GUID, or replay it under another."""
        delivery.tries += 1
        with contextlib.suppress(TimeoutError, aiohttp.ClientError):
            delivery.status = await hooks.deliver(
                self.url, event=delivery.event, action=delivery.action, secret=self.secret,
                payload=delivery.payload, guid=guid or delivery.guid,
            )  # fmt: skip
        return delivery.status

    async def close(self) -> None:
        """Stop sending."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            await self.redeliver(await self._waiting.get())
