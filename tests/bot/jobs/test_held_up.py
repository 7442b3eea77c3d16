"""What comes while something else is under way: a slow disk, reader or broker decides nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bot.jobs.run import Run
from tests.bot.jobs.parts import WAIT_S, Bot, until
from tests.bot.jobs.puppet import puppet
from tests.fakes.broker import Broker


class Held:
    """Calls of one coroutine function wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        whole = getattr(owner, name)

        async def late(*given: Any) -> Any:
            answer = await whole(*given)
            self.began.set()
            await self.go.wait()
            return answer

        monkeypatch.setattr(owner, name, late)

    async def reached(self) -> None:
        async with asyncio.timeout(WAIT_S):
            await self.began.wait()


def the_run(bot: Bot) -> Run:
    (run,) = bot.jobs._desk.runs.values()
    return run


def confirmed(run: Run) -> Callable[[], bool]:
    return lambda: run.confirmed and not run.sending


async def test_a_run_that_is_cancelled_while_it_is_given_back_is_over(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        held = Held(monkeypatch, bot.jobs._desk.queue, "forget")
        await alice.say(given, "returned", cause="busy")
        await held.reached()
        assert await bot.cancel(result_id) == "cancelled"
        held.go.set()
        await until(lambda: not bot.jobs._desk.runs)
    assert await bot.rows("SELECT state, ended_at > 0 FROM runs") == [("cancelled", 1)]


@pytest.mark.parametrize("running", [False, True])
async def test_a_run_that_is_cancelled_while_it_is_queued_again_is_over(
    bot: Bot, broker: Broker, running: bool
) -> None:
    """Both changes wait for the disk: neither sees in memory what the other has done."""
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        if running:
            await alice.say(given, "running")
            await bot.until(result_id, "running")
        await alice.leave()
        await until(lambda: not bot.jobs._desk.presence.online("alice"))
    run, begun, slow = the_run(bot), threading.Event(), threading.Event()

    def hold(db: object) -> None:
        begun.set()
        slow.wait(WAIT_S)

    waiting = bot.store.write(hold)
    await until(begun.is_set)  # else the disk takes what comes next along with it
    again = asyncio.create_task(bot.jobs._auditor._resubmit(run, "a test"))
    await until(lambda: run.settled)
    ending = asyncio.create_task(bot.cancel(result_id))
    await until(lambda: len(bot.store._waiting) >= 2)
    slow.set()
    await asyncio.gather(waiting, again)
    assert await ending in ("cancelled", "cancelling")
    await until(lambda: not bot.jobs._desk.runs)
    assert await bot.rows("SELECT state, ended_at > 0 FROM runs") == [("cancelled", 1)]


async def test_a_run_whose_cancelling_is_noted_first_is_not_queued_again(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        await alice.leave()
    run = the_run(bot)
    held = Held(monkeypatch, bot.jobs._desk.queue, "forget")
    again = asyncio.create_task(bot.jobs._auditor._resubmit(run, "a test"))
    await held.reached()
    assert await bot.cancel(result_id) == "cancelling"
    held.go.set()
    await again
    await bot.until(result_id, "cancelled")
    await until(lambda: not bot.jobs._desk.runs)


async def test_a_last_word_that_comes_while_a_run_is_queued_again_is_its_end(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are fetched for a while; nobody starts it a second time meanwhile."""
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        run = the_run(bot)
        files = Held(monkeypatch, bot.jobs._files, "fetch")
        forget = Held(monkeypatch, bot.jobs._desk.queue, "forget")
        again = asyncio.create_task(bot.jobs._auditor._resubmit(run, "a test"))
        await forget.reached()
        await alice.done(given)
        await files.reached()
        forget.go.set()
        await again
        assert run.publication == 1 and run.settled
        files.go.set()
        await bot.until(result_id, "done")
    assert await bot.rows("SELECT publication FROM runs") == [(1,)]


async def test_a_publication_that_was_read_late_is_not_made_again(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was queued again meanwhile: the old message would be run beside the new one."""
    async with puppet(broker, "alice") as alice:
        await bot.ask()
        given = await alice.take()
        run = the_run(bot)
        await until(confirmed(run))
        read = Held(monkeypatch, bot.store, "read")
        late = asyncio.create_task(bot.jobs._dispatcher.again(run))
        await read.reached()
        await alice.say(given, "returned", cause="busy")
        await until(lambda: run.publication == 2 or not run.published_at)
        before = (run.publication, run.published_at)
        published: list[int] = []
        publish = bot.jobs._desk.queue.publish

        async def note(job: Any, publication: int) -> None:
            published.append(publication)
            await publish(job, publication)

        monkeypatch.setattr(bot.jobs._desk.queue, "publish", note)
        read.go.set()
        await late
        assert (run.publication, run.published_at) >= before and 1 not in published
        given = await alice.take()
        assert (given.job.base, given.attempt) == (0, 1)
        await alice.done(given)
        await until(lambda: not bot.jobs._desk.runs)


async def nothing() -> None:
    """In place of looks that only the test makes."""


async def test_patience_with_a_message_begins_anew_when_it_goes_out_anew(
    bot: Bot, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker took the first and gave it back between two looks at what nobody takes."""
    desk, auditor = bot.jobs._desk, bot.jobs._auditor
    compare = auditor.compare
    monkeypatch.setattr(auditor, "compare", nothing)
    async with puppet(broker, "alice") as alice:
        await bot.ask()
        run = the_run(bot)
        await until(confirmed(run))
        async with asyncio.timeout(WAIT_S):
            while not auditor._idle_since:
                await compare()
        (first,) = auditor._idle_since
        auditor._idle_since[first] -= desk.timing.patience_s
        given = await alice.take()
        await alice.say(given, "returned", cause="busy")
        await until(lambda: run.publication == 2 and confirmed(run)())
        await compare()
        assert run.publication == 2 and desk.counters.resubmitted == 0
        await alice.done(await alice.take())
        await until(lambda: not desk.runs)
