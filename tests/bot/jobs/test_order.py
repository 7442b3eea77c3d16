"""Who goes next: everybody's first before anybody's second, and no more than can be taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.jobs import ledger, order
from bot.jobs.order import Hand
from bot.jobs.run import Ask, Ending, Run
from bot.store import connect, load_migrations

DONE = Ending("done", 1.0)


class Queue:
    """The rows of runs, filled by hand; ``now`` grows with each."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.now = 0.0

    def ask(self, asker: str, run: str, *, first: bool = False, lane: str = "any") -> None:
        """``asker`` wants a run of their own."""
        self.now += 1
        ledger.add_run(self.db, Run(run, "t", "s", lane, "k", self.now), "{}", run, 1.0, 1.0)
        self.join(asker, run, first=first)

    def join(self, asker: str, run: str, *, first: bool = False) -> None:
        """``asker`` wants a run that is there."""
        self.now += 1
        result_id = f"{asker}-{run}"
        ledger.add_ask(self.db, Ask(result_id, run, asker, "", first, self.now))

    def order(self) -> list[str]:
        """All that waits."""
        return [run.run_id for run in order.in_order(self.db)]

    def take(self, *hands: Hand, now: float = 1e9) -> list[str]:
        """What goes to the broker."""
        return [taken.run_id for taken in order.take(self.db, hands, now)]

    def one_by_one(self, *hands: Hand) -> list[str]:
        """Take, finish what was taken first, and so on until nothing is left."""
        out: list[str] = []
        flying: list[str] = []
        while flying := flying + self.take(*hands):
            done = flying.pop(0)
            ledger.end_run(self.db, done, DONE)
            out.append(done)
        return out


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    db = connect(tmp_path / "x.sqlite", "rwc")
    load_migrations().apply(db)
    yield Queue(db)
    db.close()


def hand(name: str = "w", *lanes: str, free: bool = True, schema: str = "s") -> Hand:
    return Hand(name, frozenset(lanes or ("any",)), frozenset({("t", schema)}), free)


def test_fifty_runs_of_one_do_not_delay_the_first_of_another(queue: Queue) -> None:
    for n in range(50):
        queue.ask("many", f"m{n:02}")
    queue.ask("one", "o")
    assert queue.order()[:3] == ["m00", "o", "m01"]
    assert queue.take(hand()) == ["m00", "o"]


def test_who_comes_later_begins_where_the_others_are(queue: Queue) -> None:
    for n in range(9):
        queue.ask("many", f"m{n}")
    assert queue.take(hand("a"), hand("b")) == ["m0", "m1", "m2"]
    for n in range(3):
        queue.ask("one", f"o{n}")
    assert queue.order()[:6] == ["o0", "m3", "o1", "m4", "o2", "m5"]


def test_having_had_many_runs_is_no_disadvantage_once_nobody_waits(queue: Queue) -> None:
    for n in range(9):
        queue.ask("many", f"m{n}")
    queue.one_by_one(hand())
    queue.ask("one", "o0")
    queue.ask("one", "o1")
    queue.ask("many", "again")
    assert queue.order() == ["o0", "o1", "again"]


def test_asking_and_cancelling_moves_nobody(queue: Queue) -> None:
    for n in range(50):
        queue.ask("many", f"m{n:02}")
    queue.ask("fickle", "f")
    for n in range(50):
        queue.ask("fickle", f"f{n:02}")
        ledger.end_run(queue.db, f"f{n:02}", Ending("cancelled", 1.0))
    queue.ask("one", "o")
    queue.ask("fickle", "g")
    assert queue.order()[:5] == ["m00", "f", "o", "m01", "g"]


def test_maintainers_runs_do_not_push_newcomers_behind_what_waits(queue: Queue) -> None:
    for n in range(50):
        queue.ask("many", f"m{n:02}")
        queue.ask("boss", f"x{n:02}", first=True)
    for _ in range(25):
        queue.take(hand(), now=1e9)
        for run in [w.run_id for w in order.waiting(queue.db)]:
            ledger.end_run(queue.db, run, DONE)
    queue.ask("one", "o")
    assert queue.order()[:2] == ["m00", "o"]


def test_everybody_advances_in_turn(queue: Queue) -> None:
    for who in "abc":
        for n in range(3):
            queue.ask(who, f"{who}{n}")
    assert queue.one_by_one(hand()) == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_who_goes_first_goes_before_all_and_in_turn_among_themselves(queue: Queue) -> None:
    queue.ask("a", "a0")
    for n in range(2):
        queue.ask("boss", f"x{n}", first=True)
    queue.ask("chief", "y0", first=True)
    assert queue.order() == ["x0", "y0", "x1", "a0"]


def test_a_shared_run_goes_with_its_best_ask(queue: Queue) -> None:
    for n in range(3):
        queue.ask("a", f"a{n}")
    queue.ask("b", "b0")
    queue.join("b", "a2")
    queue.join("c", "a2")
    assert queue.order() == ["a0", "b0", "a2", "a1"]
    assert queue.take(hand("w"), hand("v")) == ["a0", "b0", "a2"]
    assert queue.order() == ["a1"]


def test_no_more_goes_out_than_free_workers_can_take_and_one(queue: Queue) -> None:
    for n in range(9):
        queue.ask("a", f"a{n}")
    assert queue.take(hand("v"), hand("w"), hand("x", free=False)) == ["a0", "a1", "a2"]
    assert queue.take(hand("v"), hand("w"), hand("x", free=False)) == []
    ledger.claim(queue.db, "a0", 1, "v", "", 1.0)
    assert queue.take(hand("v", free=False), hand("w"), hand("x", free=False)) == []
    ledger.claim(queue.db, "a1", 1, "w", "", 1.0)
    assert queue.take(hand("v", free=False), hand("w", free=False)) == []
    ledger.claim(queue.db, "a2", 1, "x", "", 1.0)
    assert queue.take(hand("v", free=False), hand("w", free=False)) == ["a3"]


def test_runs_shorter_than_our_way_there_lie_ready_in_a_few(queue: Queue) -> None:
    for n in range(9):
        queue.ask("a", f"a{n}")
    busy = hand(free=False)
    taken = order.take(queue.db, [busy], 1.0, frozenset({"sm90"}))
    assert len(taken) == 1
    assert len(order.take(queue.db, [busy], 1.0, frozenset({"any"}))) == 3
    assert order.take(queue.db, [busy], 1.0, frozenset({"any"})) == []


def test_nothing_goes_out_while_nobody_is_there_or_can_do_it(queue: Queue) -> None:
    queue.ask("a", "a0")
    assert queue.take() == []
    assert queue.take(hand("w", "sm90")) == []
    assert queue.take(hand("w", schema="older")) == []
    assert queue.take(hand("w", free=False)) == ["a0"]  # it is there, and next


def test_a_worker_that_can_do_little_leaves_the_able_one_for_what_needs_it(queue: Queue) -> None:
    queue.ask("a", "easy")
    queue.ask("b", "hard", lane="sm90")
    queue.ask("c", "harder", lane="sm90")
    able, plain = hand("able", "any", "sm90"), hand("plain")
    assert queue.take(able, plain) == ["easy", "hard", "harder"]


def test_a_lane_that_is_full_does_not_hold_up_another(queue: Queue) -> None:
    for n in range(20):
        queue.ask("a", f"a{n:02}", lane="sm90")
    queue.ask("a", "plain")
    assert queue.take(hand("w"), hand("g", "sm90")) == ["a00", "a01", "plain"]


def test_what_was_given_back_waits_for_its_time(queue: Queue) -> None:
    queue.ask("a", "a0")
    queue.ask("a", "a1")
    assert queue.take(hand(free=False)) == ["a0"]
    ledger.requeue(queue.db, "a0", 0, returned=True, not_before=500.0)
    assert queue.take(hand(free=False), now=499.0) == ["a1"]
    ledger.end_run(queue.db, "a1", DONE)
    assert queue.take(hand(), now=499.0) == []
    assert queue.take(hand(), now=501.0) == ["a0"]


def test_each_publication_has_a_number_of_its_own(queue: Queue) -> None:
    queue.ask("a", "a0")
    numbers = []
    for base in (1, 2):
        [taken] = order.take(queue.db, [hand()], 1.0)
        numbers.append((taken.publication, taken.base))
        ledger.requeue(queue.db, "a0", base)
    assert numbers == [(1, 0), (2, 1)]


def test_ended_runs_and_asks_are_in_nobodys_way(queue: Queue) -> None:
    for n in range(3):
        queue.ask("a", f"a{n}")
    ledger.end_run(queue.db, "a0", DONE)
    ledger.end_ask(queue.db, "a1", "a-a1", DONE)
    assert queue.order() == ["a2"]
    assert queue.take(hand()) == ["a2"]
