"""Looking at processes: whether some still run, and waiting until they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from compute.worker.watch import runs

WAIT_S = 30.0


async def until(wanted: Callable[[], bool], within_s: float = WAIT_S) -> None:
    """Wait for ``wanted``; fails with ``TimeoutError``."""
    async with asyncio.timeout(within_s):
        while not wanted():  # noqa: ASYNC110 -- the kernel sends no word of it
            await asyncio.sleep(0.01)


async def gone(pids: Iterable[int]) -> None:
    """Wait until none of ``pids`` runs."""
    left = list(pids)
    await until(lambda: not any(runs(pid) for pid in left))


def pids_in(path: Path) -> list[int]:
    """The process ids that a tool wrote, one a line."""
    return [int(line) for line in path.read_text("ascii").split()] if path.exists() else []


async def written(path: Path, count: int = 1) -> list[int]:
    """The process ids in ``path`` once there are that many."""
    await until(lambda: len(pids_in(path)) >= count)
    return pids_in(path)
