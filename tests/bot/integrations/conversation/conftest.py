"""A fake GitHub and the conversation over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.integrations.conversation.parts import World, a_world
from tests.fakes.github import FakeGitHub


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with FakeGitHub() as github, a_world(tmp_path, github) as made:
        await made.talk.poll()  # from here on, what happens is news
        yield made
