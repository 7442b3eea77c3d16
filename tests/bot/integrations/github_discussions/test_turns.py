"""Turns and pace: reads before changes, one at a time, no more posts than GitHub takes."""

from __future__ import annotations

import asyncio

import pytest

from bot.integrations.github_discussions.turns import (
    CHANGE,
    EVERY_S,
    PER_HOUR,
    PER_MINUTE,
    READ,
    Pace,
    Turns,
)


def test_in_production_a_second_lies_between_changes_and_github_s_own_limits_hold() -> None:
    assert (Pace().every_s, EVERY_S) == (1.0, 1.0)
    assert (Pace().per_minute, Pace().per_hour) == (PER_MINUTE, PER_HOUR) == (80, 500)


async def test_reads_come_before_changes_however_late_they_came() -> None:
    turns, order = Turns(), []

    async def one(name: str, rank: int) -> None:
        await turns.take(rank)
        order.append(name)
        await asyncio.sleep(0)
        turns.free()

    await turns.take(READ)
    ranks = {"change 1": CHANGE, "change 2": CHANGE, "read 1": READ, "read 2": READ}
    tasks = [asyncio.create_task(one(*given)) for given in ranks.items()]
    await asyncio.sleep(0.01)
    assert turns.waiting == 4
    turns.free()
    await asyncio.gather(*tasks)
    assert order == ["read 1", "read 2", "change 1", "change 2"] and turns.waiting == 0


@pytest.mark.parametrize("given_already", [False, True])
async def test_a_turn_whose_taker_was_cancelled_is_not_lost(given_already: bool) -> None:
    turns = Turns()
    await turns.take(READ)
    taker = asyncio.create_task(turns.take(CHANGE))
    await asyncio.sleep(0)
    if given_already:
        turns.free()
    taker.cancel()
    await asyncio.gather(taker, return_exceptions=True)
    if not given_already:
        turns.free()
    await asyncio.wait_for(turns.take(READ), 5)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_change_waits_for_the_end_of_the_last_one_of_a_process_before_too() -> None:
    clock = Clock()
    pace = Pace(1.0, clock=clock)
    assert pace.wait_s() == 1.0
    clock.now += 5
    assert pace.wait_s() == 0.0
    pace.began(posts=True)
    clock.now += 12
    pace.ended()
    assert pace.wait_s() == 1.0


def test_the_81st_post_of_a_minute_and_the_501st_of_an_hour_wait() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for _ in range(80):
        assert pace.full_s() == 0.0
        pace.began(posts=True)
        clock.now += 0.5
    assert pace.full_s() == 20.0
    pace.began(posts=False)  # an edit is no post
    clock.now += 20.0
    assert pace.full_s() == 0.0
    for _ in range(420):
        pace.began(posts=True)
        clock.now += 1.0
    assert pace.full_s() == pytest.approx(3600 - 60 - 420)
