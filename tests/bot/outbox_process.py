"""An outbox in a process of its own that can be killed at any step.

``python -m tests.bot.outbox_process FILE URL COUNT POINT`` adds COUNT effects, does them at the
server of URL, and ends when all are over. At POINT it kills itself with SIGKILL, once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import bot.outbox
from bot.outbox import Effect, Outbox, Receipt, enqueue
from bot.store import Store

TRY_S, LIMIT_S, GRACE_S = 0.3, 0.5, 1.0


def die() -> None:
    """As the machine's power would end it."""
    os.kill(os.getpid(), signal.SIGKILL)


class Posts:
    """Posts to the test's server; ``point`` says where to die."""

    def __init__(self, url: str, point: str) -> None:
        self._url = url
        self._point = point

    async def send(self, effect: Effect) -> Receipt:
        """One request; anything but 200 leaves open whether it was done."""
        self.reach("attempted")
        await asyncio.to_thread(self._ask, json.dumps({"key": effect.key}).encode())
        self.reach("answered")
        return {"at": self._url}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Whether the server has it."""
        self.reach("looking")
        keys = json.loads(await asyncio.to_thread(self._ask, None))
        self.reach("looked")
        return {"found": True} if effect.key in keys else None

    def reach(self, point: str) -> None:
        """Die here if this is the point."""
        if point == self._point:
            die()

    def _ask(self, body: bytes | None) -> bytes:
        with urllib.request.urlopen(self._url, body, timeout=TRY_S) as answer:
            found: bytes = answer.read()
        return found


async def main(path: Path, url: str, count: int, point: str) -> None:
    """Until everything is over."""
    bot.outbox.FIRST_PAUSE_S = 0.1
    store = await Store.open(path)
    posts = Posts(url, point)
    outbox = Outbox(store)
    outbox.register("post", posts, send_limit_s=LIMIT_S, grace_s=GRACE_S, at_once=2)
    write: Callable[[Callable[..., Any]], Awaitable[Any]] = store.write

    async def written(change: Callable[..., Any]) -> Any:
        done = await write(change)
        posts.reach("written")
        return done

    for number in range(count):
        effect = Effect(f"key {number}", "post", {"number": number})
        await store.write(partial(enqueue, effect=effect))
    posts.reach("enqueued")
    if point == "written":
        store.write = written  # type: ignore[assignment,method-assign]
    running = asyncio.create_task(outbox.run())
    told = [None] * count
    while not all(t is not None and t.state == "sent" for t in told):
        await asyncio.sleep(0.02)
        told = [await outbox.state_of(f"key {number}") for number in range(count)]  # type: ignore[misc]
    posts.reach("over")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
