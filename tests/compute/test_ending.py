"""A task that loses its first cancellation is ended all the same."""

from __future__ import annotations

import asyncio
import contextlib

from compute.ending import end


async def deaf(times: int, heard: list[int]) -> None:
    """Swallow that many cancellations."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            heard.append(1)
            if len(heard) > times:
                raise


async def test_a_lost_cancellation_is_made_again() -> None:
    heard: list[int] = []
    task = asyncio.create_task(deaf(2, heard))
    await asyncio.sleep(0)
    await end(task, again_s=0.01)
    assert task.cancelled() and len(heard) == 3


async def test_cleaning_up_is_not_cut_short() -> None:
    cleaned = []

    async def careful() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            cleaned.append(True)

    task = asyncio.create_task(careful())
    await asyncio.sleep(0)
    await end(task)
    assert cleaned == [True]


async def test_what_is_over_already_is_left_alone() -> None:
    async def fails() -> None:
        raise RuntimeError("seen")

    task = asyncio.create_task(fails())
    with contextlib.suppress(RuntimeError):
        await task
    await end(task)
    await end()
