"""Ends tasks for certain.

In Python 3.11 a cancellation that meets a ``wait_for`` just as its future is done is lost
(bpo-37658): a loop that was told once to end goes on, and whoever waits for it hangs. Seen here
once in some hundred ends of a client of the queue.
"""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 5.0  # longer than any cleaning up of ours takes: the outbox gives its work 3 s


async def end(*tasks: asyncio.Future[Any], again_s: float = AGAIN_S) -> None:
    """Cancel ``tasks`` and return once all of them are over; what they raised is looked at."""
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=again_s)
    for task in tasks:
        if not task.cancelled():
            task.exception()
