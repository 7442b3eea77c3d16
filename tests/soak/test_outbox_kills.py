"""The outbox's process is killed again and again at a server that fails as servers do."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.bot.test_outbox_kills import COUNT, FAULTS, Server, process, server

__all__ = ["server"]  # the fixture

pytestmark = pytest.mark.soak


async def test_killed_again_and_again_nothing_is_lost_or_doubled(
    server: Server,
    tmp_path: Path,
) -> None:
    dice = random.Random(5)
    kills = 0
    for life in range(40):
        path = tmp_path / f"{life // 4}.sqlite"
        if life % 4 == 0:
            server.kept.clear()
        server.plan = dice.choices((*FAULTS, "kill before", "kill after", ""), k=4)
        point = dice.choice(("", "written", "attempted", "answered", "looking", "looked"))
        kills += await process(server, path, point if life % 4 < 3 else "") == -signal.SIGKILL
        if life % 4 == 3:
            server.plan.clear()
            assert await process(server, path, "") == 0
            assert server.kept == {f"key {number}": 1 for number in range(COUNT)}
    assert kills >= 15
