"""The card is held while it is measured: a worker's job, a terminal's run and tuning take turns."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from compute.tool import Context
from compute.worker.card_lock import CardLock
from compute.worker.probe import probe

POLL_S = 0.5
WAITING = (
    "waiting for {card}: a worker or another measurement is using it, and two would spoil each "
    "other's times"
)


def card_here() -> tuple[str, str]:
    """(UUID, name) of the GPU that this process measures on, as a worker's probe finds it; two
    empty words where there is none.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "", ""
    machine = probe()
    return machine.gpu_uuid, machine.gpu


@asynccontextmanager
async def held_card(
    ctx: Context | None,
    find: Callable[[], tuple[str, str]] = card_here,
    lock_of: Callable[[str], CardLock] = CardLock,
) -> AsyncIterator[None]:
    """Wait for this machine's card and hold it. In a worker's child nothing is done: the worker
    itself holds the card for it (``Context.holds_card``).
    """
    uuid, name = ("", "") if getattr(ctx, "holds_card", False) else await asyncio.to_thread(find)
    if not uuid:
        yield
        return
    lock = lock_of(uuid)
    try:
        await _take(lock, WAITING.format(card=name or "the card"), ctx)
        yield
    finally:
        lock.close()


async def _take(lock: CardLock, words: str, ctx: Context | None) -> None:
    """Ask until it is ours; say once that somebody else has it."""
    said = False
    while True:
        if lock.take():
            return
        if not said:
            said = True
            sys.stderr.write(f"k2c: {words}.\n")
            if ctx is not None:
                await ctx.progress(0.0, words)
        await asyncio.sleep(POLL_S)
