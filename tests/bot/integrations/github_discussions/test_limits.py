"""GitHub's limits: nothing is sent before the time it gives, nothing is lost, the pace is kept."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from bot.integrations.github_discussions.client import TURN_S
from bot.integrations.github_discussions.connection import TIMEOUT_S
from bot.integrations.github_discussions.service import GRACE_S, SEND_LIMIT_S
from bot.integrations.github_discussions.turns import EVERY_S
from bot.outbox import FIND_LIMIT_S
from tests.bot.integrations.github_discussions import effects
from tests.bot.integrations.github_discussions.conftest import World

GITHUB_S = 10.0  # after which GitHub gives a request up


def test_in_production_no_request_outlives_its_grace() -> None:
    assert (EVERY_S, GRACE_S, TIMEOUT_S) == (1.0, 45.0, 12)
    assert TIMEOUT_S > GITHUB_S and TURN_S < SEND_LIMIT_S
    assert SEND_LIMIT_S + TIMEOUT_S + GITHUB_S < GRACE_S < FIND_LIMIT_S


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rate_limited_200", "403_retry_after", "429_retry_after"])
async def test_no_change_of_any_kind_goes_out_before_a_limit_ends(world: World, kind: Any) -> None:
    other = world.fake.add_discussion(title="Other", body="b", author="k2c-bot")
    async with world.bot() as bot:
        fault = world.fake.faults.add("createDiscussion", kind, retry_after_s=2.0)
        await bot.enqueue(effects.post())
        await world.fake.wait_for(lambda: fault.hits)
        at = time.monotonic()
        before = len(world.fake.calls)
        await bot.enqueue(effects.comment(other.id), effects.edit(other.id, "k"))
        told = await bot.put_off("gh:a:new", "asks us to wait")
        assert bot.service.status().quiet_until > time.time()
        assert told.state == "waiting" and told.attempts == 0
        ended = await bot.ended("gh:a:new", "gh:a:comment", "gh:a:edit:1")
    assert [one.state for one in ended] == ["sent"] * 3
    # Resets are in whole seconds, so one may be up to a second short of the 2 s.
    assert all(call.at - at > 0.9 for call in world.fake.calls[before:])
    assert len(world.fake.discussions) == 2 and other.title == "Another"


@pytest.mark.slow
async def test_a_reset_in_the_past_costs_a_second_and_no_storm(world: World) -> None:
    async with world.bot() as bot:
        world.fake.faults.add("createDiscussion", "rate_limited_200", retry_after_s=-50.0, times=2)
        await bot.enqueue(effects.post())
        await bot.ended("gh:a:new")
    assert len(world.fake.mutations) == 3
    times = [call.at for call in world.fake.mutations]
    assert all(b - a > 0.9 for a, b in itertools.pairwise(times))


async def test_a_limit_on_a_read_quiets_changes_too(world: World) -> None:
    async with world.bot() as bot:
        world.fake.faults.add("viewer", "403_retry_after", retry_after_s=30.0)
        with pytest.raises(Exception, match="wait"):
            await bot.service.look()
        await bot.enqueue(effects.post())
        await bot.put_off("gh:a:new", "wait")
    assert not world.fake.mutations


@pytest.mark.slow
async def test_changes_of_all_kinds_keep_one_pace_and_never_overlap(world: World) -> None:
    world.settings["github_pictures"] = effects.PICTURES
    world.every_s, world.grace_s = 0.2, 9.0
    other = world.fake.add_discussion(title="Other", body="b", author="k2c-bot")
    made = [effects.post(f"p{n}") for n in range(3)]
    made += [effects.comment(other.id, f"c{n}") for n in range(3)]
    made += [effects.edit(other.id, "k", f"e{n}") for n in range(3)]
    made += [effects.labels(other.id, "kernels", key=f"l{n}") for n in range(2)]
    made += [effects.picture(bytes([n])) for n in range(2)]
    async with world.bot() as bot:
        await bot.enqueue(*made)
        await bot.ended(*(effect.key for effect in made))
    changes = [call for call in world.fake.calls if call.changes]
    assert len(changes) == len(made) == 13
    gaps = [b.at - a.ended for a, b in itertools.pairwise(changes)]
    assert min(gaps) >= 0.19  # the server's clock starts a little before the thread's
    assert world.fake.most_in_flight_mutations == 1


async def test_posting_too_quickly_is_waited_out(world: World) -> None:
    world.fake.limits.content_per_minute = 1
    async with world.bot() as bot:
        await bot.enqueue(effects.post("one"), effects.post("two"))
        await bot.put_off("two", "too quickly")
        assert 50 < bot.service.status().quiet_until - time.time() <= 60
    assert len(world.fake.discussions) == 1 and len(world.fake.mutations) == 2


async def test_the_points_that_are_left_are_told(world: World) -> None:
    async with world.bot() as bot:
        status = bot.service.status()
    assert (status.rate_limit, status.rate_left) == (5000, 4999)
    assert status.rate_reset_at > time.time() and status.quiet_until == 0.0
