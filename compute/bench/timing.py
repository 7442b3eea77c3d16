"""The timing of several implementations side by side: A B A B, in two blocks, after a warm-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from compute.bench.device import Device
from compute.bench.stats import settled

WARM_S = 0.1  # of each implementation, before anything is kept
WARM_MOST_S = 1.0
AGREE, AGREE_SHARE = 10, 0.02  # so many launches in a row within so much
LEAST, MOST = 20, 2000  # launches
SLOW_LEAST = 3  # of a block, where one call takes long beside its budget
BLOCKS = 2
DRAIN = 50  # launches of each in flight before their times are read
AHEAD = 1.5  # the device spins so much longer than the host takes to enqueue
MARKS_S = 3e-5  # and as long as two events take, which Python makes and records in 5 to 10 us each


@dataclass
class Subject:
    """Something to time: ``call(k)`` enqueues its k-th launch (inputs rotate with k), or a graph
    of ``launches`` of them. ``host_s``: until the call returns to the host.
    """

    name: str
    call: Callable[[int], object]
    launches: int = 1
    host_s: float = 0.0
    blocks: list[list[float]] = field(default_factory=list)

    @property
    def times(self) -> list[float]:
        """Of all blocks, in seconds."""
        return [time for block in self.blocks for time in block]


@dataclass(frozen=True)
class Plan:
    """How long to measure: ``budget_s`` for all subjects together. ``cold``: the cache is flushed
    before every call.
    """

    budget_s: float
    cold: bool
    least: int = LEAST
    most: int = MOST


def once(device: Device, subject: Subject, number: int = 0) -> float:
    """Seconds of one call by the host's clock, with everything it started."""
    device.synchronize()
    start = device.now_s()
    subject.call(number)
    device.synchronize()
    return device.now_s() - start


def host_time(device: Device, subject: Subject, tries: int = 20) -> float:
    """Median seconds until a call returns, the device being idle before it."""
    taken = []
    for number in range(tries):
        device.synchronize()
        start = device.now_s()
        subject.call(number)
        taken.append(device.now_s() - start)
    device.synchronize()
    return sorted(taken)[len(taken) // 2]


def warm_up(device: Device, subject: Subject, least_s: float, most_s: float) -> int:
    """Launch until ``least_s`` have passed and ten launches in a row agree within 2 %, or until
    ``most_s``; how many launches that took.
    """
    began, number = device.now_s(), 0
    last: list[float] = []
    while True:
        start = device.mark()
        subject.call(number)
        end = device.mark()
        device.synchronize()
        last = [*last[-AGREE + 1 :], device.elapsed_s(start, end)]
        number += 1
        passed = device.now_s() - began
        agrees = len(last) == AGREE and max(last) - min(last) <= AGREE_SHARE * min(last)
        if passed >= most_s or (passed >= least_s and agrees):
            return number


def measure(device: Device, subjects: Sequence[Subject], plan: Plan) -> None:
    """Fill the subjects' blocks: every round times each of them once, in turn changing who is
    first; each block ends when all medians are settled, or with its half of the budget.
    """
    began = device.now_s()
    for block in range(BLOCKS):
        for subject in subjects:
            subject.blocks.append([])
        until = began + plan.budget_s * (block + 1) / BLOCKS
        _block(device, subjects, plan, until)


def _block(device: Device, subjects: Sequence[Subject], plan: Plan, until_s: float) -> None:
    """A few rounds first, which say how many more the time is enough for."""
    least, most = max(plan.least // BLOCKS, SLOW_LEAST), max(plan.most // BLOCKS, SLOW_LEAST)
    began, done = device.now_s(), 0
    while done < most:
        rounds = min(SLOW_LEAST, most)
        if done:
            a_round_s = max((device.now_s() - began) / done, 1e-9)
            fitting = int((until_s - device.now_s()) / a_round_s)
            wanted = least - done if done < least else DRAIN
            rounds = max(1, min(wanted, fitting, DRAIN, most - done))
        _rounds(device, subjects, plan, done, rounds)
        done += rounds
        enough = done >= least and all(settled(s.blocks[-1]) for s in subjects)
        if enough or device.now_s() >= until_s:
            return


def _rounds(
    device: Device, subjects: Sequence[Subject], plan: Plan, done: int, rounds: int
) -> None:
    """Enqueue ``rounds`` rounds and read their times after."""
    marks: list[tuple[Subject, object, object]] = []
    count = len(subjects)
    for number in range(done, done + rounds):
        for place in range(count):
            subject = subjects[(place + number) % count]
            if plan.cold:
                device.flush()
            device.spin(AHEAD * subject.host_s + MARKS_S if subject.host_s else 0.0)
            start = device.mark()
            subject.call(number)
            marks.append((subject, start, device.mark()))
    device.glance()
    device.synchronize()
    for subject, start, end in marks:
        subject.blocks[-1].append(device.elapsed_s(start, end) / subject.launches)
