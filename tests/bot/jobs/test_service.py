"""From asking to the recorded answer, with a real store and broker and a worker played by hand."""

from __future__ import annotations

import asyncio

from tests.bot.jobs.parts import Bot, until
from tests.bot.jobs.puppet import puppet
from tests.fakes.broker import Broker


async def test_a_run_is_asked_for_taken_and_recorded_once(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        assert given.job.request == {"number": 1, "worker": ""}
        await alice.say(given, "running", fraction=0.5, words="half")
        running = await bot.until(result_id, "running")
        while running.fraction == 0:
            running = await bot.progress(result_id)
        assert (running.worker, running.machine) == ("alice", "a puppet's")
        assert (running.attempt, running.fraction, running.words) == (1, 0.5, "half")
        await alice.done(given)
        assert (await bot.until(result_id, "done")).ended
    row = await bot.results.get(result_id)
    assert row is not None and row.result == {"counted": 1} and row.refusal is None
    assert await bot.answers() == [result_id]


async def test_watching_tells_each_change_and_ends_with_the_end(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        states = []

        async def watch() -> None:
            async for progress in bot.jobs.watch(result_id):
                states.append(progress.state)

        watching = asyncio.create_task(watch())
        given = await alice.take()
        await alice.say(given, "running")
        await until(lambda: "running" in states)
        await alice.done(given)
        await watching
    assert list(dict.fromkeys(states)) == ["queued", "running", "done"]
