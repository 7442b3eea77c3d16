"""Effects are done once, in time, and none of them holds up another."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

import bot.outbox
from bot.effects import KEPT_S, LET_GO, Effect, Told, adopt
from bot.outbox import Later, Never, Outbox, enqueue
from tests.bot.outbox_parts import GRACE_S, Sender, World, effect, world

__all__ = ["world"]  # the fixture


async def test_a_key_is_done_once_however_often_it_is_wanted(world: World) -> None:
    async with world.running():
        assert await world.add(effect("a"), effect("a")) == [True, False]
        told = await world.over("a")
        assert await world.add(effect("a")) == [False]
    assert told.receipt == {"number": 1, "text": "a"} and told.attempts == 1
    assert world.sender.tried == ["a"]


async def test_what_a_failed_change_wanted_is_not_done(world: World) -> None:
    def change(db: Any) -> None:
        enqueue(db, effect("a"))
        raise ValueError("the rest of the change failed")

    with pytest.raises(ValueError, match="the rest"):
        await world.store.write(change)
    assert await world.outbox.state_of("a") is None


async def test_later_means_again_and_never_means_never(world: World) -> None:
    world.sender.plan = {"a": [Later("busy", 0.05), Later("busy")], "b": [Never("it is gone")]}
    async with world.running():
        await world.add(effect("a"), effect("b"))
        assert (await world.over("a")).attempts == 2  # a pause that was asked for is no failure
        assert world.sender.tried.count("a") == 3
        told = await world.over("b", "never")
    assert (told.reason, told.attempts) == ("it is gone", 1)
    assert world.sender.looked == []  # certainly not done: nothing to look for


async def test_who_listens_is_told_of_each_end_once_it_is_on_disk(world: World) -> None:
    told: list[tuple[str, str]] = []

    def careless(effect: Effect, _: Told) -> None:
        raise ValueError(effect.key)

    def careful(effect: Effect, now: Told) -> None:
        with contextlib.closing(sqlite3.connect(world.store.path)) as db:
            row = db.execute("SELECT state FROM outbox WHERE key = ?", [effect.key]).fetchone()
        told.append((effect.key, f"{now.state}, {row[0]} on disk"))

    world.outbox.listen(careless)
    world.outbox.listen(careful)
    world.sender.plan = {"a": [Later("busy", 0.05)], "b": [Never("it is gone")]}
    async with world.running():
        await world.add(effect("a"), effect("b"))
        await world.over("a")
        await world.over("b", "never")
    assert sorted(told) == [("a", "sent, sent on disk"), ("b", "never, never on disk")]


async def test_what_was_done_before_this_database_is_never_done_again(world: World) -> None:
    kept = await world.store.write(lambda db: adopt(db, effect("a"), {"number": 7}))
    again = await world.store.write(lambda db: adopt(db, effect("a"), {"number": 8}))
    async with world.running():
        assert await world.add(effect("a"), effect("b")) == [False, True]
        await world.over("b")
        told = await world.over("a")
    assert (kept, again, told.receipt) == (True, False, {"number": 7})
    assert world.sender.tried == ["b"]


@pytest.mark.parametrize("what", ["reset after", OSError("reset before"), 60.0])
async def test_an_unknown_outcome_is_looked_for_after_the_grace(world: World, what: Any) -> None:
    world.sender.plan = {"a": [what]}
    before = time.time()
    async with world.running():
        await world.add(effect("a"))
        told = await world.over("a")
    applied = isinstance(what, str)
    assert world.sender.tried == (["a"] if applied else ["a", "a"])
    assert world.sender.done == {"a": 1}
    ((key, since),) = world.sender.looked
    assert key == "a" and before <= since <= time.time() - GRACE_S
    assert told.receipt == ({"found": True} if applied else {"number": 2, "text": "a"})


@pytest.mark.parametrize("ending", [0.0, Later("busy", 30.0), Never("gone"), "reset after"])
async def test_a_look_that_the_machine_held_up_makes_no_second_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch, ending: Any
) -> None:
    """Seen on a busy machine: rows read before an attempt came to the loop after its end."""
    held = asyncio.Event()
    slow: list[Any] = []
    read = world.store.read

    async def late(query: Callable[[Any], Any]) -> Any:
        found = await read(query)
        if world.sender.under_way == 0 and slow == [] and found[0]:
            slow.append(found)  # the first look with something in it waits for the second
            await held.wait()
        return found

    world.sender.plan = {"a": [ending]}
    monkeypatch.setattr(world.store, "read", late)
    await world.add(effect("a"))
    kind = world.outbox._kinds["post"]
    first = asyncio.create_task(world.outbox._begin_due(kind))
    while not slow:  # noqa: ASYNC110 -- the store has no event
        await asyncio.sleep(0.001)
    await world.outbox._begin_due(kind)
    await asyncio.gather(*kind.in_hand.values())
    tried = list(world.sender.tried)
    before = await world.outbox.state_of("a")
    held.set()
    await first
    await asyncio.gather(*kind.in_hand.values())
    assert tried == world.sender.tried == ["a"]
    assert await world.outbox.state_of("a") == before


async def test_what_is_asked_for_anew_is_not_done_as_it_was_read_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was given up, and goes out under the same key with other words."""
    held, slow, read = asyncio.Event(), asyncio.Event(), world.store.read

    async def late(query: Callable[[Any], Any]) -> Any:
        found = await read(query)
        if not slow.is_set():
            slow.set()
            await held.wait()
        return found

    world.sender.plan = {"a": [Never("it is gone")]}
    await world.add(Effect("a", "post", {"text": "old"}))
    monkeypatch.setattr(world.store, "read", late)
    kind = world.outbox._kinds["post"]
    first = asyncio.create_task(world.outbox._begin_due(kind))
    await slow.wait()
    await world.outbox._begin_due(kind)
    await asyncio.gather(*kind.in_hand.values())
    await world.store.write(lambda db: db.conn.execute("DELETE FROM outbox").rowcount)
    await world.add(Effect("a", "post", {"text": "new"}))
    held.set()
    await first
    await asyncio.gather(*kind.in_hand.values())
    assert world.sender.tried == ["a"]
    await world.outbox._begin_due(kind)
    await asyncio.gather(*kind.in_hand.values())
    told = await world.outbox.state_of("a")
    assert told is not None and told.receipt["text"] == "new"


async def test_while_it_cannot_be_looked_for_there_is_no_other_attempt(world: World) -> None:
    world.sender.plan = {"a": ["reset after"]}
    world.sender.blind = 3
    async with world.running():
        await world.add(effect("a"))
        await world.over("a")
    assert len(world.sender.looked) == 4 and world.sender.tried == ["a"]


async def test_an_attempt_that_a_dead_process_made_is_looked_for_first(world: World) -> None:
    await world.add(effect("a"), effect("b"))
    world.sender.done["a"] = 1
    sql = "UPDATE outbox SET state = 'unknown', attempts = 1, first_at = ?, due_at = ?"
    then = time.time() - 60
    await world.store.write(lambda db: db.conn.execute(sql, [then, then + GRACE_S]))
    async with world.running():
        await world.over("a")
        await world.over("b")
    assert world.sender.tried == ["b"] and {since for _, since in world.sender.looked} == {then}


async def test_one_waits_for_the_other_it_depends_on(world: World) -> None:
    world.sender.plan = {"first": [Later("busy", 0.2)], "gone": [Never("no")]}
    async with world.running():
        await world.add(effect("second", after="first"), effect("orphan", after="gone"))
        await world.add(effect("first"), effect("gone"))
        await world.over("second")
        await world.over("orphan")
    tried = world.sender.tried
    assert tried.index("second") > max(i for i, k in enumerate(tried) if k == "first")
    assert tried.index("orphan") > tried.index("gone")


async def test_one_waits_no_longer_than_it_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.outbox, "LOOK_S", 0.05)
    async with world.running():
        await world.add(effect("a", after="never comes", after_wait_s=0.2))
        await world.add(effect("b", after="never comes"))
        await world.over("a")
        assert (await world.over("b", "waiting")).attempts == 0


async def test_nothing_is_done_before_its_time(world: World) -> None:
    async with world.running():
        start = time.time()
        await world.add(effect("a", not_before=start + 0.3), effect("b"))
        await world.over("b")
        assert world.sender.tried == ["b"]
        await world.over("a")
        assert time.time() >= start + 0.3


async def test_a_kind_keeps_its_pace(world: World) -> None:
    world.outbox.register("post", world.sender, every_s=0.1, send_limit_s=0.2, grace_s=0.3)
    async with world.running():
        await world.add(*(effect(f"{n}") for n in range(4)))
        await world.over("3")
    # One attempt may be late on a busy machine; then the next gap is short, never the whole.
    assert world.sender.at_s[-1] - world.sender.at_s[0] >= 0.25 and world.sender.most == 1


async def test_only_so_many_are_under_way_and_all_of_them_are(world: World) -> None:
    world.outbox.register("post", world.sender, at_once=3, send_limit_s=0.2, grace_s=0.3)
    world.sender.plan = {str(n): [0.05] for n in range(9)}
    async with world.running():
        await world.add(*(effect(str(n)) for n in range(9)))
        for n in range(9):
            await world.over(str(n))
    assert world.sender.most == 3 and world.sender.done == {str(n): 1 for n in range(9)}


async def test_one_that_hangs_holds_up_no_other_kind(world: World) -> None:
    quick = Sender()
    world.outbox.register("quick", quick, send_limit_s=0.2, grace_s=GRACE_S)
    world.sender.plan = {"slow": [0.19]}
    async with world.running():
        await world.add(effect("slow"), effect("q", kind="quick"))
        await world.over("q")
        assert world.sender.done["slow"] == 0
        await world.over("slow")


async def test_while_nothing_of_a_kind_can_be_done_nothing_is_tried(world: World) -> None:
    world.sender.plan = {"0": [Later("rate limited", 0.3, all_of_it=True)]}
    async with world.running():
        await world.add(*(effect(str(n)) for n in range(5)))
        for n in range(5):
            await world.over(str(n))
    first, second, *_ = world.sender.at_s
    assert second - first >= 0.29 and len(world.sender.tried) == 6


async def test_a_kind_that_nobody_does_waits_for_whoever_will(world: World) -> None:
    async with world.running():
        await world.add(effect("a", kind="github.post"))
        await asyncio.sleep(0.1)
        assert (await world.over("a", "waiting")).attempts == 0
    world.outbox.register("github.post", world.sender, send_limit_s=0.2, grace_s=GRACE_S)
    async with world.running():
        await world.over("a")


async def test_what_is_under_way_at_the_end_is_finished(world: World) -> None:
    world.sender.plan = {"a": [0.1]}
    async with world.running():
        await world.add(effect("a"))
        await world.begun()
    told = await world.outbox.state_of("a")
    assert told is not None and told.state == "sent"


async def test_what_hangs_at_the_end_is_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.outbox, "FINISH_S", 0.0)
    world.sender.plan = {"a": [0.15]}
    async with world.running():
        await world.add(effect("a"))
        await world.begun()
    told = await world.outbox.state_of("a")
    assert told is not None and told.state == "unknown"


async def test_a_disk_that_fails_for_a_while_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt's result cannot be written: it stays unknown and is found."""
    monkeypatch.setattr(bot.outbox, "LOOK_S", 0.05)
    write = world.store.write
    failing = 0

    def sometimes(change: Callable[[Any], Any]) -> Any:
        nonlocal failing
        if world.sender.tried and failing < 3:
            failing += 1
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(OSError("disk full"))
            return future
        return write(change)

    async with world.running():
        await world.add(effect("a"))
        monkeypatch.setattr(world.store, "write", sometimes)
        await world.over("a")
    assert failing and world.sender.done == {"a": 1}


def test_a_grace_shorter_than_an_attempt_is_a_mistake() -> None:
    outbox = Outbox(None)  # type: ignore[arg-type]  # nothing is read or written
    with pytest.raises(ValueError, match="while it is under way"):
        outbox.register("post", Sender(), send_limit_s=30, grace_s=30)


async def test_a_thousand_effects_are_all_done_once(world: World) -> None:
    world.outbox.register("post", world.sender, at_once=8, send_limit_s=0.2, grace_s=GRACE_S)

    def change(db: Any) -> None:
        for n in range(1000):
            enqueue(db, effect(f"k{n}"))

    async with world.running():
        await world.store.write(change)
        world.outbox.wake()
        for n in range(1000):
            await world.over(f"k{n}")
    assert set(world.sender.done.values()) == {1}


async def test_what_ended_long_ago_lets_go_of_what_was_sent_and_is_not_done_again(
    world: World,
) -> None:
    world.sender.plan = {"given up": [Never("it is gone")]}
    async with world.running():
        await world.add(effect("old"), effect("given up"), effect("recent"))
        for key, state in (("old", "sent"), ("given up", "never"), ("recent", "sent")):
            await world.over(key, state)
    await world.add(Effect("open", "nobody does it", {"text": "x" * 1000}))

    def age(db: Any) -> None:
        db.execute("UPDATE outbox SET ended_at = ended_at - ? WHERE key != 'recent'"
                   " AND ended_at > 0", [KEPT_S])  # fmt: skip

    await world.store.write(age)
    assert (await world.outbox.let_go(), await world.outbox.let_go()) == (2, 0)
    sql = "SELECT key, payload = '{}' FROM outbox"
    emptied = await world.store.read(lambda db: dict(db.execute(sql).fetchall()))
    assert emptied == {"old": 1, "given up": 1, "recent": 0, "open": 0}
    told = await world.outbox.state_of("old")
    assert told is not None and told.receipt == {"number": 1, "text": "old"}
    assert await world.add(effect("old"), effect("given up")) == [False, False]


async def test_letting_go_reads_no_more_than_what_is_let_go(world: World) -> None:
    plan = await world.store.read(
        lambda db: db.execute(f"EXPLAIN QUERY PLAN {LET_GO}", [0, 1]).fetchall()
    )
    assert any("outbox_full" in str(row) for row in plan)
