"""A broker, the bot's half of the queue, and one worker named box."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.compute.worker.bot import BotHalf, bot_of
from tests.fakes.broker import Broker, running_broker
from tests.fakes.workers import WorkerProcess, running_worker


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with running_broker() as running:
        yield running


@pytest.fixture
async def bot(broker: Broker) -> AsyncIterator[BotHalf]:
    async with bot_of(broker, "box", "other") as half:
        yield half


@pytest.fixture
async def box(broker: Broker, bot: BotHalf) -> AsyncIterator[WorkerProcess]:
    async with running_worker(broker.worker("box"), "box") as worker:
        yield worker
