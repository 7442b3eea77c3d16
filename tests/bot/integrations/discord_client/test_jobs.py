"""What people see of a job: its progress in one message, Cancel, and its answer in a new one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.integrations.discord_client import following
from bot.integrations.discord_client import reply as replies
from compute.tool import Refusal
from tests.bot.integrations.discord_client import lap
from tests.bot.integrations.discord_client.conftest import Bot, World
from tests.bot.integrations.discord_client.messages import custom_ids, labels, links
from tests.fakes.discord import Reply, User, file_bytes, message_text
from tests.fakes.discord.messages import Stored
from tests.fakes.jobs import FakeJobs

RESULT = lap.LapResult(laps_s=(61.5, 60.25, 62.0))
COMMANDS = {"lap": lap.command()}


@pytest.fixture
def jobs(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeJobs:
    monkeypatch.setattr(following, "EVERY_S", 0.05)
    world.jobs = FakeJobs()
    return world.jobs


@pytest.fixture
async def bot(world: World, jobs: FakeJobs) -> AsyncIterator[Bot]:
    async with world.bot(COMMANDS) as running:
        yield running


async def asked(world: World, name: str = "alice", **where: Any) -> tuple[User, Reply]:
    """Somebody asks and sees that they wait."""
    person = world.fake.user(name)
    reply = await person.slash("lap", {"laps": 3}, **where)
    await reply.finished(lambda r: "3 laps red" in r.text)
    return person, reply


def answers(world: World) -> list[Stored]:
    """Every message, wherever it stands, that brings the answer."""
    found = [m for m in world.fake.messages.by_id.values() if not m.deleted]
    return [m for m in found if "best lap 60.25 s" in message_text(m.json)]


async def answered(world: World) -> Stored:
    """The one message with the answer, once its progress message says where it is."""
    await world.fake.wait_for(lambda: answers(world))
    (found,) = answers(world)
    return found


async def delivered(jobs: FakeJobs, world: World, where: str, timeout_s: float = 10.0) -> None:
    await world.fake.wait_for(lambda: jobs.runs and jobs.newest.delivery == where, timeout_s)


async def test_one_message_follows_the_run_and_a_new_one_brings_the_answer(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    alice, reply = await asked(world)
    run_id = jobs.newest.row.id
    assert "3 laps red" in reply.text and "you are next" in reply.text
    assert labels(reply.message) == ["Cancel"]
    jobs.report(run_id, state="running", place=0, words="lap 2", worker="box", machine="H100 SXM",
                left_s=25.0, partial={"laps_s": [61.5, 60.75]})  # fmt: skip
    await reply.finished(lambda r: "lap 2" in r.text)
    assert "H100 SXM on box · lap 2 · about 25 s left" in reply.text
    assert "best lap 60.75 s" in reply.text
    await jobs.end(run_id, result=RESULT)
    new = await answered(world)
    await delivered(jobs, world, "posted")
    assert new.pings == {alice.id} and new.channel is world.fake.home.channels[0]
    assert alice.mention in message_text(new.json)
    assert file_bytes(world.fake, new.json) == {"chart.png": b"laps"}
    assert "finished, see below" in reply.text and labels(reply.message) == ["Answer", "Page"]
    assert links(reply.message)[0].endswith(f"/{new.channel.id}/{new.id}")
    kept = await bot.parts.results.message_of(run_id)
    assert kept is not None and kept.message_id == new.id
    assert "A dry track" in (await alice.click(new.json, "Assumptions")).text


async def test_a_run_that_is_over_at_once_is_answered_all_the_same(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    async def at_once(result_id: str) -> None:
        asyncio.get_running_loop().call_soon(
            lambda: ending.append(asyncio.create_task(jobs.end(result_id, result=RESULT)))
        )

    ending: list[asyncio.Task[None]] = []
    jobs.on_submit = at_once
    alice = world.fake.user("alice")
    reply = await alice.slash("lap")
    new = await answered(world)
    await delivered(jobs, world, "posted")
    await reply.finished(lambda r: "finished, see below" in r.text)
    kept = await bot.parts.results.message_of(jobs.newest.row.id)
    assert kept is not None and kept.message_id == new.id


async def test_a_shared_run_that_is_over_already_is_answered_once(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    async def known(result_id: str) -> None:
        await jobs.end(result_id, result=RESULT)

    jobs.on_submit = known
    reply = await world.fake.user("alice").slash("lap")
    await delivered(jobs, world, "posted")
    await reply.finished(lambda r: "finished, see below" in r.text)
    assert len(answers(world)) == 1


async def test_nothing_is_edited_when_nothing_changed(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    _, reply = await asked(world)
    edits = len(reply.history)
    for _ in range(5):
        jobs.report(jobs.newest.row.id)
        await asyncio.sleep(0.06)
    assert len(reply.history) == edits
    jobs.report(jobs.newest.row.id, place=2)
    await reply.finished(lambda r: "2nd in line" in r.text)


async def test_a_slow_edit_keeps_nobody_else_waiting(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    _, reply = await asked(world)
    world.fake.fault("PATCH", "/webhooks/*", delay_s=0.6)
    jobs.report(jobs.newest.row.id, place=2)
    await asyncio.sleep(0.1)
    await world.fake.user("bob").slash("lap", {"laps": 0})
    assert "2nd" not in reply.text
    await reply.finished(lambda r: "2nd in line" in r.text)


async def test_cancel_of_a_queued_run_is_said_at_once(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    alice, reply = await asked(world)
    pressed = await alice.click(reply.message, "Cancel")
    assert "cancelled" in pressed.text and labels(pressed.message) == ["Change inputs"]
    assert jobs.newest.progress.state == "cancelled"
    await asyncio.sleep(0.2)
    assert len(world.fake.channel_messages(world.fake.home.channels[0])) == 1


async def test_cancel_of_a_running_one_says_so_until_it_is_over(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    alice, reply = await asked(world)
    run_id = jobs.newest.row.id
    jobs.report(run_id, state="running", words="lap 1")
    await reply.finished(lambda r: "lap 1" in r.text)
    pressed = await alice.click(reply.message, "Cancel")
    assert "cancelling" in pressed.text and labels(pressed.message) == []
    jobs.report(run_id, words="lap 2")
    await reply.finished(lambda r: "lap 2" in r.text)
    assert "cancelling" in reply.text and labels(reply.message) == []
    await jobs.end(run_id, "cancelled", refusal=Refusal(message="Cancelled."))
    await reply.finished(lambda r: "3 laps red · cancelled" in r.text.replace("*", ""))
    await world.fake.wait_for(lambda: labels(reply.message) == ["Change inputs"])
    told = await bot.outbox.state_of(f"answer:{run_id}")
    assert told is not None
    await asyncio.sleep(0.1)
    assert len(world.fake.channel_messages(world.fake.home.channels[0])) == 1


async def test_a_press_on_cancel_that_is_slow_does_not_hide_where_the_answer_is(
    world: World, jobs: FakeJobs, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends, and its answer is posted, while the press's own change is on its way."""
    alice, reply = await asked(world)
    run_id = jobs.newest.row.id
    jobs.report(run_id, state="running", words="lap 1")
    await reply.finished(lambda r: "lap 1" in r.text)
    begun, go_on = asyncio.Event(), asyncio.Event()
    update = replies.Reply.update

    async def slow(self: replies.Reply, message: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await update(self, message)

    monkeypatch.setattr(replies.Reply, "update", slow)
    pressing = asyncio.create_task(alice.click(reply.message, "Cancel"))
    await asyncio.wait_for(begun.wait(), 30)
    await jobs.end(run_id, result=RESULT)
    await answered(world)
    with contextlib.suppress(TimeoutError):
        await reply.finished(lambda r: "finished, see below" in r.text, 0.5)
    go_on.set()
    await pressing
    await delivered(jobs, world, "posted")
    assert "finished, see below" in reply.text


async def test_only_its_asker_and_moderators_may_cancel(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    _, reply = await asked(world)
    stranger = await world.fake.user("bob").click(reply.message, "Cancel")
    assert stranger.ephemeral and "Only who asked" in stranger.text
    assert jobs.newest.progress.state == "queued"
    mod = world.fake.user("mod", roles=("moderators",))
    assert "cancelled" in (await mod.click(reply.message, "Cancel")).text


async def test_a_moderator_of_another_server_is_none_here(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    await asked(world)
    run_id = jobs.newest.row.id
    mod = world.fake.user("mod", roles=("moderators",))
    theirs = await mod.slash("lap", {"laps": 0}, guild=world.fake.other)
    mine = custom_ids(theirs.message)[0].split(":")[2]
    crafted = await mod.press_unseen(theirs.message, f"k2c:cancel:{mine}:{run_id}")
    assert crafted.ephemeral and "Only who asked" in crafted.text
    assert jobs.newest.progress.state == "queued"


async def test_a_cancel_that_takes_long_is_answered_in_time(
    world: World, jobs: FakeJobs, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.discord_client.buttons.CANCEL_S", 0.05)
    alice, reply = await asked(world)
    cancel = jobs.cancel

    async def slowly(result_id: str, by: Any) -> Any:
        await asyncio.sleep(0.3)
        return await cancel(result_id, by)

    monkeypatch.setattr(jobs, "cancel", slowly)
    assert "cancelling" in (await alice.click(reply.message, "Cancel")).text
    await reply.finished(lambda r: labels(r.message) == ["Change inputs"])


async def test_cancel_of_what_is_over_or_unknown_is_a_private_sentence(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    alice, reply = await asked(world)
    run_id = jobs.newest.row.id
    await jobs.end(run_id, result=RESULT)
    await answered(world)
    late = await alice.press_unseen(reply.message, f"k2c:cancel:{run_id}")
    assert late.ephemeral and "over already" in late.text
    jobs.runs.clear()
    gone = await alice.press_unseen(reply.message, f"k2c:cancel:{run_id}")
    assert gone.ephemeral and "no longer know" in gone.text
    gone = await alice.press_unseen(reply.message, f"k2c:cancel:{run_id}:{'x' * 22}")
    assert gone.ephemeral and "no longer know" in gone.text
    odd = await alice.press_unseen(reply.message, f"k2c:fix:{run_id}:{'x' * 22}")
    assert odd.ephemeral and "don't know this button" in odd.text


async def test_a_failed_run_is_told_in_a_new_message_too(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    alice, reply = await asked(world)
    failed = Refusal(message="Three workers were lost while it ran.", our_fault=True)
    await jobs.end(jobs.newest.row.id, "failed", refusal=failed)
    await delivered(jobs, world, "posted")
    new = world.fake.channel_messages(world.fake.home.channels[0])[-1]
    assert "Three workers were lost" in message_text(new.json) and new.pings == {alice.id}
    await reply.finished(lambda r: "failed, see below" in r.text)
    assert "Change inputs" in labels(new.json)


async def test_jobs_are_for_the_home_server_alone(world: World, jobs: FakeJobs, bot: Bot) -> None:
    alice = world.fake.user("alice")
    for where in ({"guild": world.fake.other}, {"dm": True}, {"user_install": True}):
        reply = await alice.slash("lap", {"laps": 3}, **where)
        assert reply.ephemeral and "community's own server" in reply.text
    assert not jobs.runs
    light = await alice.slash("lap", {"laps": 0}, guild=world.fake.other)
    assert "best lap" in light.text


async def test_without_a_worker_the_command_says_how_to_get_one(world: World) -> None:
    async with world.bot(COMMANDS):
        reply = await world.fake.user("alice").slash("lap", {"laps": 3})
        await reply.finished(lambda r: "k2c up" in r.text)
        assert "attach-a-gpu" in reply.text


async def test_a_refused_run_is_a_sentence(world: World, jobs: FakeJobs, bot: Bot) -> None:
    jobs.refuse = "You have 3 runs under way; that is as many as one may have."
    reply = await world.fake.user("alice").slash("lap")
    await reply.finished(lambda r: "3 runs under way" in r.text)
    assert "Change inputs" in labels(reply.message)


async def test_the_roles_of_the_asker_travel_with_the_run(
    world: World, jobs: FakeJobs, bot: Bot
) -> None:
    alice = world.fake.user("alice", roles=("contributors",))
    await alice.slash("lap")
    await world.fake.wait_for(lambda: jobs.runs)
    assert jobs.newest.roles == (world.fake.home.role("contributors").id,)


async def test_the_id_in_the_answer_is_its_key(world: World, jobs: FakeJobs, bot: Bot) -> None:
    await asked(world)
    run_id = jobs.newest.row.id
    await jobs.end(run_id, result=RESULT)
    new = await answered(world)
    assert any(run_id in made for made in custom_ids(new.json))
    (post,) = [
        c for c in world.fake.requests if c.method == "POST" and c.path.endswith("/messages")
    ]
    assert post.body["nonce"] == run_id and post.body["enforce_nonce"] is True
