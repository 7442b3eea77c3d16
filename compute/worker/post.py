"""What a worker works with, and how it ends a task of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.js import JetStreamContext

from compute.ending import end
from compute.jobs.subjects import Timing
from compute.worker.warm import WarmChild


@dataclass(frozen=True, slots=True)
class Post:
    """Its name, its connection, its clocks and its child."""

    name: str
    client: Client
    js: JetStreamContext
    timing: Timing
    warm: WarmChild


async def ended(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it has cleaned up behind itself."""
    await end(task)
