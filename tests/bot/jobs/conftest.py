"""A broker, and a bot that is connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.jobs.parts import IMPATIENT, Bot, running_bot
from tests.fakes.broker import Broker, running_broker


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with running_broker() as started:
        yield started


@pytest.fixture
async def bot(broker: Broker, tmp_path: Path) -> AsyncIterator[Bot]:
    async with running_bot(broker, tmp_path) as started:
        yield started


@pytest.fixture
async def impatient(broker: Broker, tmp_path: Path) -> AsyncIterator[Bot]:
    async with running_bot(broker, tmp_path, IMPATIENT) as started:
        yield started
