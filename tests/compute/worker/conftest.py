"""A broker, the bot's half of the queue, and one worker named box; one set for a whole file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.compute.worker.bot import BotHalf, bot_of
from tests.fakes.broker import Broker, running_broker
from tests.fakes.workers import H100, WorkerProcess, running_worker


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with running_broker() as running:
        yield running


@pytest.fixture
async def bot(broker: Broker) -> AsyncIterator[BotHalf]:
    async with bot_of(broker, "box", "other") as half:
        yield half


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_bot() -> AsyncIterator[tuple[Broker, BotHalf]]:
    async with running_broker() as running, bot_of(running, "box") as half:
        yield running, half


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    shared_bot: tuple[Broker, BotHalf],
) -> AsyncIterator[tuple[BotHalf, WorkerProcess]]:
    running, half = shared_bot
    async with running_worker(running.worker("box"), "box", machine=H100) as worker:
        yield half, worker
