"""A database, and the settings of two home servers over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.community.service import CommunityBook
from bot.community.words import By
from bot.store import FILE_NAME, Store

HOME, SECOND, FOREIGN = "1", "2", "3"
MOD = By("7", "mod")
SECRET = "a secret of the operator's"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / FILE_NAME)
    yield opened
    await opened.close()


@pytest.fixture
async def book(store: Store) -> CommunityBook:
    return await CommunityBook.open(store, (1, 2), SECRET)
