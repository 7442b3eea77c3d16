"""Two measurements never share a card, whichever door they came through."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from compute.bench import card
from compute.bench.card import held_card
from compute.tool import Result
from compute.worker.card_lock import CardLock
from compute.worker.child_context import ChildContext
from tests.compute.bench.test_tool import Context


class Told(Context):
    """Rings when something is reported."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        await super().progress(fraction, words, partial)
        self.told.set()


UUID = "GPU-6a8e7d3c-test"


def test_a_second_one_waits_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(card, "POLL_S", 0.01)
    worker = CardLock(UUID, tmp_path)
    assert worker.take()
    context, log = Told(), []

    async def measure() -> None:
        async with held_card(context, lambda: (UUID, "H100"), lambda u: CardLock(u, tmp_path)):
            log.append("measured")

    async def both() -> None:
        waiting = asyncio.ensure_future(measure())
        await asyncio.wait_for(context.told.wait(), 30)
        assert log == []
        worker.give()
        await waiting

    asyncio.run(both())
    assert log == ["measured"]
    said = capsys.readouterr().err
    assert said.startswith("k2c: waiting for H100: a worker") and said.count("\n") == 1
    assert worker.take(), "it gave the card back"


def test_where_there_is_no_gpu_nothing_is_waited_for() -> None:
    def lock(uuid: str) -> CardLock:
        raise AssertionError(uuid)

    async def measure() -> str:
        async with held_card(None, lambda: ("", ""), lock):
            return "measured"

    assert asyncio.run(measure()) == "measured"


def test_a_workers_child_takes_no_lock_as_its_worker_has_it(tmp_path: Path) -> None:
    worker = CardLock(UUID, tmp_path)
    assert worker.take()
    child = ChildContext.__new__(ChildContext)

    async def measure() -> str:
        async with held_card(child, lambda: (UUID, "H100"), lambda u: CardLock(u, tmp_path)):
            return "measured"

    assert asyncio.run(measure()) == "measured"
