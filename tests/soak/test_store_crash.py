"""A process that writes is killed again and again: what it said is kept, every copy is whole."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.store import FILE_NAME, connect, known_steps
from tests.bench.harness import ROOT, clean_environment
from tests.soak import plan
from tests.soak.store_writer import LANES

pytestmark = pytest.mark.soak

KILLS = 25  # at least, of processes that had written something
FIRST_OPENINGS = 12
START_S = 30.0


@dataclass
class Said:
    """What writers said is on disk."""

    pairs: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(LANES), -1))
    kept: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    lines: int = 0
    something: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, line: str) -> None:
        """Note one line of a writer."""
        match line.split():
            case ["pair", lane, number]:
                self.pairs[int(lane)] = int(number)
            case ["kept", result_id]:
                self.kept.add(result_id)
            case ["gone", result_id]:
                self.gone.add(result_id)
            case _:
                return
        self.lines += 1
        self.something.set()

    def copy(self) -> Said:
        """As it stands now."""
        return Said(dict(self.pairs), set(self.kept), set(self.gone), self.lines)


@dataclass(frozen=True)
class Held:
    """What a database file holds."""

    verdict: str
    steps: list[tuple[str, str]]
    pairs: dict[int, int]
    answers: set[str]


@asynccontextmanager
async def child(module: str, path: Path) -> AsyncIterator[Process]:
    """A process of ours; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, str(path),
        cwd=ROOT, env=clean_environment(), stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def write_and_die(path: Path, said: Said, chance: random.Random, early: float = 0.2) -> bool:
    """One writer's life; whether it had written something when it was killed.

    With the chance ``early`` it is killed as soon as it opens the file.
    """
    before, at_once = said.lines, chance.random() < early
    said.something.clear()
    async with child("tests.soak.store_writer", path) as process:
        assert process.stdout is not None
        assert await process.stdout.readline(), "the writer ended by itself"
        reading = asyncio.create_task(listen(process, said))
        if not at_once:
            await asyncio.wait_for(said.something.wait(), START_S)
        await asyncio.sleep(chance.uniform(0, 0.03 if at_once else 0.8))
        assert process.returncode is None, "the writer ended by itself"
        process.kill()
        await reading
    return said.lines > before


async def listen(process: Process, said: Said) -> None:
    """Take every whole line until the process is gone."""
    assert process.stdout is not None
    while (line := await process.stdout.readline()).endswith(b"\n"):
        said.take(line.decode())


def held(path: Path) -> Held:
    """Read a database file. Every pair must be whole, and no lane may have a gap."""
    db = connect(path, "ro")
    try:
        verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
        steps = db.execute("SELECT name, applied_at FROM _sqlite_migrations ORDER BY id").fetchall()
        keys = [row[0].split(":") for row in db.execute("SELECT key FROM facts").fetchall()]
        answers = {row[0] for row in db.execute("SELECT id FROM results").fetchall()}
    finally:
        db.close()
    numbers: dict[tuple[int, str], set[int]] = defaultdict(set)
    for lane, side, number in keys:
        numbers[int(lane), side].add(int(number))
    pairs = {}
    for lane in range(LANES):
        left = numbers[lane, "left"]
        assert left == numbers[lane, "right"], f"{path}: half a change of lane {lane}"
        assert left == set(range(len(left))), f"{path}: a gap in lane {lane}"
        pairs[lane] = len(left) - 1
    return Held(verdict, steps, pairs, answers)


def compare(found: Held, said: Said) -> None:
    """All that was said is there, and nothing that was said to be gone."""
    assert found.verdict == "ok"
    short = {lane: n for lane, n in said.pairs.items() if found.pairs[lane] < n}
    assert not short, f"acknowledged {short}, kept {found.pairs}"
    assert said.kept <= found.answers, f"{len(said.kept - found.answers)} answers are lost"
    assert not said.gone & found.answers, "a deleted answer is back"


async def back_up(process: Process, target: Path, said: Said) -> bool:
    """One copy while others write, compared with what had been said before it began."""
    assert process.stdin is not None and process.stdout is not None
    before = said.copy()
    process.stdin.write(f"{target}\n".encode())
    answer = (await process.stdout.readline()).decode().strip()
    if not answer.startswith("done"):
        assert not before.lines and "There is no database" in answer, answer
        return False
    found = await asyncio.to_thread(held, target)
    assert found.verdict == "ok"
    short = {lane: n for lane, n in before.pairs.items() if found.pairs[lane] < n}
    assert not short, f"the copy lacks {short}"
    assert before.kept <= found.answers and not before.gone & found.answers
    return True


async def test_what_was_acknowledged_survives_every_kill_and_every_copy_is_whole(
    tmp_path: Path,
) -> None:
    chance, said = plan.begin("store: kill -9 of the writer, copies meanwhile"), Said()
    path, copies, kills, early = tmp_path / FILE_NAME, 0, 0, 0
    async with child("tests.soak.store_backups", path) as copier:
        assert await write_and_die(path, said, chance, early=0)
        steps = (await asyncio.to_thread(held, path)).steps
        until = time.monotonic() + plan.seconds()
        while kills < KILLS or time.monotonic() < until:
            dying = asyncio.create_task(write_and_die(path, said, chance))
            while not dying.done():
                copies += await back_up(copier, tmp_path / f"copy{chance.randrange(3)}", said)
                await asyncio.sleep(chance.uniform(0, 0.2))
            kills, early = (kills + 1, early) if dying.result() else (kills, early + 1)
            found = await asyncio.to_thread(held, path)
            compare(found, said)
            assert found.steps == steps, "a step was made twice"
    assert [name for name, _ in steps] == known_steps()
    assert copies >= KILLS
    plan.figures(
        kills_of_a_writer=kills, kills_before_its_first_write=early,
        acknowledged_changes=said.lines, whole_copies_taken_meanwhile=copies,
    )  # fmt: skip


async def test_a_first_opening_that_is_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    chance = plan.begin("store: kill -9 while the tables are made")
    half = 0
    for number in range(FIRST_OPENINGS):
        path = tmp_path / f"{number}.sqlite"
        async with child("tests.soak.store_writer", path) as process:
            assert process.stdout is not None
            await process.stdout.readline()
            await asyncio.sleep(chance.uniform(0, 0.02))
            process.kill()
            rest = await process.stdout.read()
        half += not rest and path.exists()
        said = Said()
        assert await write_and_die(path, said, chance, early=0)
        found = await asyncio.to_thread(held, path)
        compare(found, said)
        assert [name for name, _ in found.steps] == known_steps()
    plan.figures(killed_openings=FIRST_OPENINGS, of_these_before_the_first_write=half)
