"""Jobs in Discord with everything real but Discord: a broker, a worker process, and a bot that is
killed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.integrations.discord_client import following
from tests.bench.harness import ROOT
from tests.bot.integrations.discord_client.bot_process import Parts, Start, begin, spoken
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels
from tests.fakes.broker import Broker, running_broker
from tests.fakes.discord import Reply, message_text
from tests.fakes.discord.messages import Stored
from tests.fakes.workers import running_worker

pytestmark = pytest.mark.slow

LONG_S = 30.0


@dataclass
class Scene:
    """The fake Discord, a broker and how a bot is started on them."""

    world: World
    broker: Broker
    start: Start

    def posted(self, text: str) -> list[Stored]:
        """Messages that mention somebody and say ``text``."""
        found = [m for m in self.world.fake.messages.by_id.values() if not m.deleted]
        return [m for m in found if m.pings and text in message_text(m.json)]

    async def answered(self, text: str, count: int = 1) -> list[Stored]:
        """All answers that say ``text``: as many as there should be, and then no more."""
        fake = self.world.fake
        await fake.wait_for(lambda: len(self.posted(text)) >= count, LONG_S)
        await asyncio.sleep(1.5)  # a second answer would come after the grace
        assert len(self.posted(text)) == count
        return self.posted(text)

    async def ask(self, name: str, **options: Any) -> Reply:
        """Alice asks, and sees how far it is."""
        reply = await self.world.fake.user("alice").slash(name, options)
        await reply.finished(lambda r: f"/{name}" in r.text)
        return reply

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Process]:
        """The bot as a process, killed at the end of the block if not before."""
        log = Path(self.start.folder) / "bot.log"
        with log.open("ab") as errors:  # a moment, in a test
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bot.integrations.discord_client.bot_process",
                spoken(self.start), cwd=ROOT, stdout=PIPE, stderr=errors,
            )  # fmt: skip
        try:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), LONG_S) == b"ready\n"
            await self.world.fake.ready()
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
            await self.world.fake.wait_for(lambda: not self.world.fake.gateway.sockets)


@pytest.fixture
async def scene(world: World, tmp_path: Path) -> AsyncIterator[Scene]:
    async with running_broker() as broker, running_worker(broker.worker("box"), "box"):
        fake = world.fake
        access = dataclasses.asdict(broker.bot)
        yield Scene(
            world, broker, Start(str(tmp_path), fake.token, fake.api_base, fake.home.id, access)
        )


@pytest.fixture
async def bot(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Parts]:
    monkeypatch.setattr(following, "EVERY_S", 0.2)
    async with AsyncExitStack() as stack:
        parts = await begin(scene.start, stack)
        await scene.world.fake.ready()
        yield parts


async def test_a_job_is_followed_and_answered_in_a_new_message(scene: Scene, bot: Parts) -> None:
    reply = await scene.ask("sleeper", seconds=2.5)
    await reply.finished(lambda r: "sleeping" in r.text and "on box" in r.text)
    await reply.finished(lambda r: "told 0." in r.text or "told 1." in r.text)
    (answer,) = await scene.answered("told slept")
    assert answer.pings == {scene.world.fake.user("alice").id}
    await reply.finished(lambda r: "finished, see below" in r.text)
    listed = await scene.world.fake.user("alice").slash("jobs")
    assert listed.ephemeral and "/sleeper 2.5" in listed.text and "finished" in listed.text


async def test_cancel_queued_and_running_from_the_message_and_from_the_list(
    scene: Scene, bot: Parts
) -> None:
    alice = scene.world.fake.user("alice")
    running = await scene.ask("sleeper", seconds=60)
    await running.finished(lambda r: "sleeping" in r.text)
    queued = await scene.ask("sleeper", seconds=61)
    listed = await alice.slash("jobs")
    assert labels(listed.message) == ["Cancel 1", "Cancel 2"]
    assert "2 of your runs under way" in listed.text
    pressed = await alice.click(listed.message, "Cancel 1")
    assert pressed.ephemeral and "Cancelled" in pressed.text
    await queued.finished(lambda r: "cancelled" in r.text)
    began = asyncio.get_running_loop().time()
    assert "cancelling" in (await alice.click(running.message, "Cancel")).text
    await running.finished(lambda r: "· cancelled" in r.text)
    assert asyncio.get_running_loop().time() - began < LONG_S / 3
    await asyncio.sleep(1.0)
    assert scene.posted("/") == [] and labels(running.message) == ["Change inputs"]
    listed = await alice.slash("jobs")
    assert "None of your runs is under way" in listed.text and "cancelled" in listed.text


async def test_a_refusal_from_the_worker_is_the_answer(scene: Scene, bot: Parts) -> None:
    await scene.ask("refuser", size=4)
    (answer,) = await scene.answered("size must be odd")
    assert "size:4" in message_text(answer.json) and "Use 3" in labels(answer.json)


async def test_a_run_whose_process_dies_is_told_as_a_failure(scene: Scene, bot: Parts) -> None:
    reply = await scene.ask("leaver")
    await reply.finished(lambda r: "failed, see below" in r.text, LONG_S)
    assert len(scene.posted("ref ")) == 1


async def test_workers_shows_what_runs_where(scene: Scene, bot: Parts) -> None:
    await scene.world.fake.wait_for(bot.jobs.workers, LONG_S)
    reply = await scene.ask("sleeper", seconds=60)
    await reply.finished(lambda r: "sleeping" in r.text)
    alice = scene.world.fake.user("alice")
    shown = await alice.slash("workers")
    for _ in range(50):
        if "runs sleeper" in shown.text:
            break
        await asyncio.sleep(0.1)
        shown = await alice.slash("workers")
    assert shown.ephemeral and "1 worker online, 1 busy" in shown.text.replace("*", "")
    assert "no GPU · runs sleeper" in shown.text
    await alice.click(reply.message, "Cancel")


async def test_a_bot_killed_in_the_middle_of_a_run_answers_once(scene: Scene) -> None:
    async with scene.process():
        reply = await scene.ask("sleeper", seconds=5)
        await reply.finished(lambda r: "sleeping" in r.text)
    async with scene.process():
        pass  # killed again as soon as it is there
    async with scene.process():
        (answer,) = await scene.answered("told slept")
        assert answer.pings == {scene.world.fake.user("alice").id}
        await reply.finished(lambda r: "finished, see below" in r.text)


@pytest.mark.parametrize("fault", [{"late_s": 20.0}, {"reset": "before", "times": 99}])
async def test_a_bot_killed_while_it_posts_the_answer_answers_once(
    scene: Scene, fault: dict[str, Any]
) -> None:
    scene.world.fake.nonce_window_s = 0.0
    applied = "late_s" in fault
    async with scene.process():
        reply = await scene.ask("null")
        hit = scene.world.fake.fault("POST", "/channels/*/messages", **fault)
        await scene.world.fake.wait_for(
            lambda: hit.hits and bool(scene.posted("told")) is applied, LONG_S
        )
    scene.world.fake.faults.clear()
    async with scene.process():
        await scene.answered("told")
        await reply.finished(lambda r: "finished, see below" in r.text)


async def test_a_broker_that_is_killed_and_comes_back_costs_no_answer(
    scene: Scene, bot: Parts
) -> None:
    reply = await scene.ask("sleeper", seconds=4)
    await reply.finished(lambda r: "sleeping" in r.text)
    await asyncio.to_thread(scene.broker.kill)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(scene.broker.start)
    await scene.answered("told slept")
