"""A web server and a database of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store import Store
from tests.bot.integrations.feeds.web import Web, serving


@pytest.fixture
async def site() -> AsyncIterator[Web]:
    """A server on loopback."""
    async with serving() as made:
        yield made


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database."""
    made = await Store.open(tmp_path / "k2c.sqlite")
    yield made
    await made.close()
