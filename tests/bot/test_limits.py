"""A minute slides, a refusal costs nothing, and strangers cannot fill the memory."""

from __future__ import annotations

import pytest

from bot.limits import Limiter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(clock, max_keys=100)


def test_as_many_as_allowed_then_the_seconds_to_wait(clock: Clock, limiter: Limiter) -> None:
    for second in (0, 10, 20):
        clock.now = second
        assert limiter.wait_s("a", 3) == 0.0
    clock.now = 25
    assert limiter.wait_s("a", 3) == 35.0


def test_after_the_wait_it_is_allowed_and_not_before(clock: Clock, limiter: Limiter) -> None:
    assert limiter.wait_s("a", 1) == 0.0
    clock.now = 59.5
    assert limiter.wait_s("a", 1) == 0.5
    clock.now = 60.0
    assert limiter.wait_s("a", 1) == 0.0


def test_the_minute_slides_so_a_boundary_gives_no_double_burst(
    clock: Clock, limiter: Limiter
) -> None:
    clock.now = 59
    assert [limiter.wait_s("a", 2) for _ in range(2)] == [0.0, 0.0]
    clock.now = 61
    assert limiter.wait_s("a", 2) == 58.0


def test_refused_tries_do_not_put_the_next_allowed_one_off(clock: Clock, limiter: Limiter) -> None:
    assert limiter.wait_s("a", 1) == 0.0
    for second in range(1, 60):
        clock.now = second
        assert limiter.wait_s("a", 1) == 60.0 - second
    clock.now = 60
    assert limiter.wait_s("a", 1) == 0.0


def test_keys_do_not_count_for_each_other(limiter: Limiter) -> None:
    assert limiter.wait_s("a", 1) == 0.0
    assert limiter.wait_s("b", 1) == 0.0
    assert limiter.wait_s("a", 1) > 0


def test_a_lowered_limit_counts_what_was_allowed_before(clock: Clock, limiter: Limiter) -> None:
    for second in (0, 10, 20):
        clock.now = second
        assert limiter.wait_s("a", 5) == 0.0
    assert limiter.wait_s("a", 1) == 60.0


def test_none_allowed_is_never_allowed(limiter: Limiter) -> None:
    assert limiter.wait_s("a", 0) == 60.0


def test_idle_keys_are_forgotten(clock: Clock, limiter: Limiter) -> None:
    for number in range(50):
        limiter.wait_s(f"k{number}", 5)
    clock.now = 61
    limiter.wait_s("new", 5)
    assert len(limiter) == 1


@pytest.mark.parametrize("per_minute", [0, 5])
def test_ten_thousand_strangers_do_not_fill_the_memory(limiter: Limiter, per_minute: int) -> None:
    for number in range(10_000):
        limiter.wait_s(f"k{number}", per_minute)
    assert len(limiter) <= 100


def test_one_who_keeps_asking_is_not_forgotten_for_newcomers(limiter: Limiter) -> None:
    assert limiter.wait_s("pest", 1) == 0.0
    for number in range(1000):
        limiter.wait_s(f"k{number}", 1)
        assert limiter.wait_s("pest", 1) > 0
