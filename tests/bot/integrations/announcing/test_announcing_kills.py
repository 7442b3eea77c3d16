"""Announcing killed before and after every step: nothing is lost and nothing is there twice."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.harness import ROOT, clean_environment
from tests.bot.integrations.announcing.kill_process import NEW
from tests.bot.integrations.announcing.parts import NEWS, article

pytestmark = pytest.mark.slow

AT_ONCE = 6


async def process(folder: Path, last: int) -> tuple[int, str]:
    """Run it to its end; how it ended and what it said."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bot.integrations.announcing.kill_process",
        str(folder), str(last), cwd=ROOT, env=clean_environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, errors = await asyncio.wait_for(child.communicate(), 90)
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode in (0, -signal.SIGKILL), errors.decode()
    return child.returncode or 0, said.decode().strip()


def done(folder: Path) -> Counter[str]:
    """What stands outside, by key."""
    lines = (folder / "outside.jsonl").read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(line)["key"] for line in lines)


def expected() -> set[str]:
    """What must stand there, each once."""
    ends = ("gh:{0}:new", "gh:{0}:label:1", "gh:{0}:edit:1", "dc:{1}:{0}:new")
    more = ("dc:{1}:{0}:crosspost", "dc:{1}:{0}:thread")
    shorts = [article(slug).short_key for slug in NEW]
    return {end.format(short, NEWS) for short in shorts for end in (*ends, *more)}


async def test_killed_at_every_step_it_announces_each_article_once(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    code, said = await process(whole, 0)
    assert code == 0 and done(whole) == dict.fromkeys(expected(), 1)
    steps, turn = int(said), asyncio.Semaphore(AT_ONCE)
    assert steps > 30  # it counts what it should

    async def killed_at(step: int) -> int:
        folder = tmp_path / f"{step}"
        folder.mkdir()
        async with turn:
            first, _ = await process(folder, step)
            if first != 0:
                code, _ = await process(folder, 0)
                assert code == 0
        found = done(folder)
        created = {key: n for key, n in found.items() if ":edit:" not in key}
        wanted = {key for key in expected() if ":edit:" not in key}
        assert created == dict.fromkeys(wanted, 1), f"killed at step {step}"
        # The links may have become known one by one, and an edit may be repeated freely.
        assert all(f"gh:{article(slug).short_key}:edit:1" in found for slug in NEW)
        return first

    # Every third: what begins and what is on disk take turns, so that both are met.
    some = range(1, steps, 3)
    ends = await asyncio.gather(*(killed_at(step) for step in some))
    assert sum(end == -signal.SIGKILL for end in ends) > len(ends) * 0.8
