"""A guess is a range from what such runs took, and nothing where nothing is known."""

from __future__ import annotations

import pytest

from bot.jobs.estimate import Running, RunTimes, Span, left_s, places
from bot.jobs.order import Hand, Kind, Queued

EASY, HARD = Kind("any", "t", "s"), Kind("sm90", "t", "s")
TIMES = RunTimes({"t": [("any", float(s)) for s in range(10, 21)]})  # 10 to 20 s


def hand(name: str, *lanes: str) -> Hand:
    return Hand(name, frozenset(lanes), frozenset({("t", "s")}), True)


def queue(*kinds: Kind) -> list[Queued]:
    return [Queued(str(n), kind) for n, kind in enumerate(kinds)]


def test_a_span_leaves_out_the_fastest_and_the_slowest_tenth() -> None:
    assert TIMES.span(EASY) == Span(11.0, 19.0)


def test_a_lane_of_its_own_times_counts_before_the_tools_others() -> None:
    times = RunTimes({"t": [("any", 10.0)] * 5 + [("sm90", 1.0)] * 5})
    assert times.span(HARD) == Span(1.0, 1.0)
    assert times.span(Kind("sm100", "t", "s")) == Span(1.0, 10.0)


def test_two_runs_are_too_few_to_guess_from() -> None:
    assert RunTimes({"t": [("any", 5.0)] * 2}).span(EASY) is None


def test_a_free_worker_starts_at_once() -> None:
    found = places(queue(EASY), [], [hand("w", "any")], TIMES)
    assert (found["0"].place, found["0"].starts) == (1, Span(0.0, 0.0))


def test_waiting_is_what_runs_and_what_is_ahead_over_the_workers() -> None:
    running = [Running(EASY, "w", 4.0)]
    found = places(queue(EASY, EASY, EASY), running, [hand("w", "any")], TIMES)
    assert [found[n].place for n in "012"] == [1, 2, 3]
    assert found["0"].starts == Span(7.0, 15.0)
    assert found["2"].starts == Span(29.0, 53.0)
    two = places(queue(EASY, EASY, EASY), running, [hand("v", "any"), hand("w", "any")], TIMES)
    assert two["0"].starts == Span(0.0, 0.0)
    assert two["2"].starts == Span(11.0, 19.0)


def test_a_run_over_its_time_may_end_now() -> None:
    found = places(queue(EASY), [Running(EASY, "w", 60.0)], [hand("w", "any")], TIMES)
    assert found["0"].starts == Span(0.0, 0.0)


def test_behind_a_run_of_unknown_length_nothing_is_promised() -> None:
    other = Kind("any", "new", "s")
    both = Hand("w", frozenset({"any"}), frozenset({("t", "s"), ("new", "s")}), True)
    found = places(queue(other, EASY), [], [both], TIMES)
    assert found["0"].starts == Span(0.0, 0.0)
    assert found["1"].starts is None
    assert found["1"].place == 2


def test_only_runs_that_want_the_same_workers_are_ahead() -> None:
    hands = [hand("plain", "any"), hand("gpu", "sm90")]
    found = places(queue(EASY, EASY, HARD), [], hands, TIMES)
    assert (found["2"].place, found["2"].starts) == (1, Span(0.0, 0.0))
    found = places(queue(EASY, EASY, HARD), [], [hand("gpu", "any", "sm90")], TIMES)
    assert found["2"].place == 3


def test_without_a_worker_there_is_a_place_and_no_promise() -> None:
    found = places(queue(EASY, EASY), [], [], TIMES)
    assert [(p.place, p.starts) for p in found.values()] == [(1, None), (2, None)]


@pytest.mark.parametrize(
    ("span", "elapsed_s", "fraction", "left"),
    [
        (None, 10.0, 0.0, None),
        (None, 10.0, 0.5, 10.0),
        (None, 0.2, 0.5, None),  # too early to say
        (Span(10.0, 20.0), 5.0, 0.0, 10.0),
        (Span(10.0, 20.0), 5.0, 0.25, 15.0),
        (Span(10.0, 20.0), 50.0, 0.0, None),
    ],
)
def test_what_remains(
    span: Span | None, elapsed_s: float, fraction: float, left: float | None
) -> None:
    assert left_s(span, elapsed_s, fraction) == (pytest.approx(left) if left else left)
