"""Workers, broker and bot are killed and frozen again and again while people ask for runs."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from compute.broker.access import Access
from tests.bot.jobs.life import BotProcess, bot_process
from tests.bot.jobs.parts import Bot, running_bot, until, until_holds
from tests.compute.worker.processes import pids_in
from tests.fakes.broker import Broker, running_broker
from tests.fakes.workers import FAST, WorkerProcess, running_worker, start_worker
from tests.soak import plan

pytestmark = pytest.mark.soak

WORKERS = 4
PEOPLE = 12
A_SECOND = 4.0  # runs asked for: less than the workers can do between two troubles
END_S = 240.0
MANY, MANY_PEOPLE = 1000, 50


@dataclass
class World:
    """What runs, and what was done to it."""

    broker: Broker
    folder: Path
    chance: random.Random
    kept: set[str] = field(default_factory=set)
    starts: list[Path] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    keys: dict[str, Access] = field(default_factory=dict)

    async def attach(self, name: str) -> None:
        """Start a worker of that name; it keeps its key."""
        if name not in self.keys:
            self.keys[name] = await asyncio.to_thread(self.broker.worker, name)
        self.workers[name] = await start_worker(self.keys[name], name)

    async def kill_worker(self) -> None:
        """It comes back a moment later."""
        name = self.chance.choice(sorted(self.workers))
        worker = self.workers.pop(name)
        worker.send(signal.SIGKILL)
        await worker.end()
        await asyncio.sleep(self.chance.uniform(0, 1))
        await self.attach(name)

    async def stop_worker(self) -> None:
        """As an operator does: its job is handed back."""
        name = self.chance.choice(sorted(self.workers))
        await self.workers.pop(name).stop()
        await self.attach(name)

    async def freeze_worker(self) -> None:
        """For less than a lease, or for more."""
        worker = self.workers[self.chance.choice(sorted(self.workers))]
        worker.send(signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(0.2, FAST.lease_s * 1.5))
        worker.send(signal.SIGCONT)

    async def kill_broker(self) -> None:
        """It comes back with what it had on disk."""
        await asyncio.to_thread(self.broker.kill)
        await asyncio.sleep(self.chance.uniform(0, 2))
        await asyncio.to_thread(self.broker.start)

    def ask(self, bot: BotProcess) -> None:
        """One person asks for one of several kinds of runs."""
        user = str(self.chance.randrange(PEOPLE))
        number = len(self.starts)
        match self.chance.randrange(4):
            case 0:
                bot.ask("null", user, size=number)
            case 1:
                bot.ask("maker", user, size=10_000 + number)
            case _:
                path = self.folder / f"starts-{number}"
                self.starts.append(path)
                bot.ask("sleeper", user, seconds=self.chance.uniform(0.1, 1.5), path=str(path))


async def test_nothing_is_lost_and_nothing_recorded_twice(tmp_path: Path) -> None:
    chance = plan.begin("jobs: kill -9 of workers, broker and bot, frozen workers")
    async with running_broker() as broker:
        world = World(broker, tmp_path, chance)
        try:
            for n in range(WORKERS):
                await world.attach(f"w{n}")
            until_s = time.monotonic() + plan.seconds()
            while time.monotonic() < until_s:
                await one_life(world, until_s)
            await judge(world)
        finally:
            for worker in world.workers.values():
                await worker.stop()


async def one_life(world: World, until_s: float) -> None:
    """A bot from its start to its kill; people ask, and other things go wrong meanwhile."""
    chance = world.chance
    ends = min(until_s, time.monotonic() + chance.uniform(1.0, 12.0))
    async with bot_process(world.folder, world.broker.bot, world.kept) as bot:
        asking = asyncio.create_task(people(world, bot))
        while time.monotonic() < ends:
            trouble = chance.choice(
                [world.kill_worker, world.stop_worker, world.freeze_worker, world.kill_broker]
            )
            world.troubles[trouble.__name__] += 1
            await trouble()
            await asyncio.sleep(chance.uniform(0.5, 3.0))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    world.troubles["kill_bot"] += 1


async def people(world: World, bot: BotProcess) -> None:
    """Ask until cancelled."""
    while True:
        world.ask(bot)
        await asyncio.sleep(world.chance.expovariate(A_SECOND))


async def judge(world: World) -> None:
    """The next bot brings everything to its end; then the books must be right."""
    async with running_bot(world.broker, world.folder, FAST) as bot:
        await until(lambda: not bot.jobs._desk.runs, END_S)
        ends = await bot.rows(
            "SELECT state, cause, attempt, COUNT(*) FROM runs GROUP BY state, cause, attempt"
        )
        assert {(state, cause) for state, cause, _, _ in ends} <= {("done", ""), ("failed", "lost")}
        assert max(attempt for _, _, attempt, _ in ends) <= 4
        assert all(attempt <= 3 for state, _, attempt, _ in ends if state == "done")
        asked = {row[0] for row in await bot.rows("SELECT result_id FROM asks")}
        assert world.kept <= asked, "a run that was on disk is gone"
        answers = await bot.answers()
        assert len(answers) == len(set(answers)) and set(answers) == asked
        unanswered = "SELECT COUNT(*) FROM results WHERE result IS NULL AND refusal IS NULL"
        assert await bot.rows(unanswered) == [(0,)]
        await until_holds(world.broker, "JOBS")
        await until_holds(world.broker, "KV_state")
        resubmitted = await bot.rows("SELECT COUNT(*) FROM runs WHERE publication > 1 + returned")
    counts = [len(pids_in(path)) for path in world.starts]
    assert max(counts, default=0) <= 3, "a run was started more than three times"
    attempts = Counter[str]()
    for state, _, attempt, number in ends:
        attempts[f"{state} in attempt {attempt}"] += number
    plan.figures(
        runs=sum(attempts.values()), ends=dict(attempts), troubles=dict(world.troubles),
        published_anew=resubmitted[0][0],
    )  # fmt: skip


async def test_a_thousand_runs_of_fifty_people_are_recorded_once_and_in_turn(
    tmp_path: Path,
) -> None:
    plan.begin("jobs: 1,000 queued at once")
    async with running_broker() as broker, AsyncExitStack() as stack:
        bot = await stack.enter_async_context(running_bot(broker, tmp_path, FAST))
        wanted = await ask_many(bot)
        for n in range(WORKERS):
            name = f"w{n}"
            await stack.enter_async_context(running_worker(broker.worker(name), name))
        begun = time.monotonic()
        [(gone,)] = await bot.rows("SELECT COUNT(*) FROM runs WHERE published_at > 0")
        late = await bot.run("null", user="late", size=10**6)
        await bot.until(late, "done")
        waited_s = time.monotonic() - begun
        await until(lambda: not bot.jobs._desk.runs, END_S)
        ends = await bot.rows("SELECT state, attempt, COUNT(*) FROM runs GROUP BY state, attempt")
        assert ends == [("done", 1, MANY + 1)]
        answers = await bot.answers()
        assert len(answers) == MANY + 1 and set(answers) == wanted | {late}
        by = await bot.rows("SELECT worker, COUNT(*) FROM runs GROUP BY worker")
        order = [
            user
            for (user,) in await bot.rows(
                "SELECT user_id FROM asks JOIN runs ON id = run_id ORDER BY published_at, turn"
            )
        ]
    spread = fairness(order)
    assert order.index("late") - gone <= MANY_PEOPLE + WORKERS
    assert spread <= 3, "one person's runs went far ahead of another's"
    plan.figures(
        all_recorded_s=round(time.monotonic() - begun, 1), by_worker=dict(by),
        most_turns_ahead=spread, a_late_first_run_waited_s=round(waited_s, 2),
    )  # fmt: skip


async def ask_many(bot: Bot) -> set[str]:
    """Everybody's runs, person after person: the first to ask would be served first."""
    asked = [
        bot.run("null", user=str(user), size=user * 1000 + n)
        for user in range(MANY_PEOPLE)
        for n in range(MANY // MANY_PEOPLE)
    ]
    return set(await asyncio.gather(*asked))


def fairness(order: list[str]) -> int:
    """The most runs by which one person was ever ahead of another who still waited."""
    total, had, worst = Counter(order), Counter[str](), 0
    for user in order:
        had[user] += 1
        waiting = [had[other] for other in total if had[other] < total[other] and other != "late"]
        worst = max(worst, had[user] - min(waiting, default=had[user]))
    return worst
