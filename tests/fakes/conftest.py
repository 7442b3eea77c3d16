"""A fake Discord, and a small bot connected to it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest

from tests.fakes.bots import running
from tests.fakes.demo import DemoBot
from tests.fakes.discord import FakeDiscord
from tests.fakes.github import FakeGitHub


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as server:
        yield server


@pytest.fixture
async def bot(fake: FakeDiscord) -> AsyncIterator[DemoBot]:
    demo = DemoBot()
    async with running(demo.client, fake):
        yield demo
    gc.collect()  # an exception nobody retrieved would warn here, and warnings are errors


@pytest.fixture
async def github() -> AsyncIterator[FakeGitHub]:
    async with FakeGitHub() as server:
        yield server
