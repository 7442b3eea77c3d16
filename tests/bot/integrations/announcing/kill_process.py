"""A bot that announces, in a process of its own that can be killed at any step.

``python -m tests.bot.integrations.announcing.kill_process FOLDER STEP`` announces the articles and
ends when all is done. Before its step number STEP it kills itself with SIGKILL; 0: never. A step
is a change of the database, or an effect before or after it reaches the outside, which is a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.effects import Effect, Receipt
from bot.integrations.announcing import service
from bot.store import Store
from tests.bot.integrations.announcing.parts import NEWS, Outside, Rules, article, world

OLD, NEW = ("old",), ("one",)


class Steps:
    """Counts them and dies in time."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def reach(self) -> None:
        """One more."""
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


class FileOutside(Outside):
    """What is done is a line of a file, so that it stays when the process dies."""

    def __init__(self, path: Path, steps: Steps) -> None:
        super().__init__(news={NEWS})
        self._path = path
        self._steps = steps
        if path.exists():
            self.done = [Effect(**json.loads(line)) for line in path.read_text().splitlines()]

    async def send(self, effect: Effect) -> Receipt:
        """One line, written through to the disk before anybody is told."""
        self._steps.reach()
        self.done.append(effect)
        line = {"key": effect.key, "kind": effect.kind, "payload": dict(effect.payload)}
        self._write(json.dumps(line) + "\n")
        self._steps.reach()
        return self.receipt(effect)

    def _write(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def count_writes(steps: Steps) -> None:
    """Each change of the database is a step when it begins and when it is on disk."""
    real = Store.write

    def write(store: Store, change: Callable[[Any], Any]) -> asyncio.Future[Any]:
        steps.reach()
        future = real(store, change)
        future.add_done_callback(lambda _: steps.reach())
        return future

    Store.write = write  # type: ignore[method-assign,assignment]


async def main(folder: Path, last: int) -> None:
    """Until everything stands as it should."""
    service.LOOK_S, service.FIND_S = 0.05, 0.05
    steps = Steps(last)
    outside = FileOutside(folder / "outside.jsonl", steps)
    rules = Rules()
    rules.add(NEWS, thread=True)
    async with world(folder / "k2c.sqlite", outside, rules) as there:
        count_writes(steps)
        if not there.announcer.waiting():
            await there.look(*(article(slug) for slug in OLD))
        await there.look(*(article(slug, tags=("a",)) for slug in (*OLD, *NEW)))
        wanted = {f"gh:{article(slug).short_key}:edit:1" for slug in NEW}
        await there.until(lambda: wanted <= set(outside.done_keys()), "the end")
        for _ in range(1000):
            if not await there.store.read(_open):
                break
            await asyncio.sleep(0.02)
        await there.announcer.step()
    sys.stdout.write(f"{steps.count}\n")


def _open(db: Any) -> int:
    sql = "SELECT count(*) FROM outbox WHERE state IN ('waiting', 'unknown')"
    return int(db.conn.execute(sql).fetchone()[0])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
