from __future__ import annotations

import random

import pytest

from compute.bench.stats import settled, spread, standing, unstable


def test_quartiles_lie_between_the_nearest_ranks() -> None:
    got = spread([4.0, 1.0, 3.0, 2.0])
    assert (got.q1, got.median, got.q3, got.least, got.n) == (1.75, 2.5, 3.25, 1.0, 4)


def test_one_slow_launch_moves_no_median() -> None:
    assert spread([1.0] * 99 + [500.0]).median == 1.0


def test_no_times_have_no_median() -> None:
    with pytest.raises(ValueError, match="no time"):
        spread([])


def test_a_difference_needs_separated_quartiles_and_three_percent() -> None:
    base = spread([0.99, 1.0, 1.0, 1.01])
    assert standing(spread([0.90, 0.91, 0.91, 0.92]), base) == "faster"
    assert standing(spread([1.10, 1.11, 1.11, 1.12]), base) == "slower"
    # apart, but by 2 %
    assert standing(spread([0.979, 0.98, 0.98, 0.981]), base) == "no difference"
    # 10 % faster in the median, but its upper quartile lies among the other's times
    assert standing(spread([0.5, 0.9, 0.9, 1.4]), base) == "no difference"


def test_blocks_that_disagree_are_unstable() -> None:
    steady = [1.0, 1.001, 0.999, 1.0]
    assert not unstable([steady, steady])
    assert unstable([steady, [1.2 * time for time in steady]])
    # wide quartiles explain the distance of two medians
    wide = [0.8, 0.9, 1.0, 1.1, 1.2]
    assert not unstable([wide, [1.05 * time for time in wide]])


def test_times_that_scatter_over_half_their_median_are_unstable() -> None:
    busy = [0.4, 0.5, 8.0, 6.4, 7.0, 0.4, 8.1, 6.5]
    assert unstable([busy, busy])


def test_sampling_ends_once_the_median_is_known_to_a_percent() -> None:
    chance = random.Random(1)
    noisy = [1 + 0.2 * chance.random() for _ in range(20)]
    assert not settled(noisy)
    assert settled([1 + 0.001 * chance.random() for _ in range(20)])
    assert not settled([1.0] * 5), "five launches prove nothing"
