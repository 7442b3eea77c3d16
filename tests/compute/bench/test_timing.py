from __future__ import annotations

import pytest

from compute.bench.stats import spread, unstable
from compute.bench.timing import Plan, Subject, host_time, measure, once, warm_up
from tests.compute.bench.parts import FakeDevice


def subject(device: FakeDevice, name: str, *times_s: float, launches: int = 1) -> Subject:
    return Subject(name, device.works(name, times_s), launches)


def test_implementations_take_turns_and_change_who_is_first() -> None:
    device = FakeDevice()
    pair = [subject(device, "A", 1e-3), subject(device, "B", 2e-3)]
    measure(device, pair, Plan(budget_s=1.0, cold=False, least=20, most=20))
    order = [word for word in device.log if word in "AB"]
    assert order[:4] == ["A", "B", "B", "A"]
    assert all(set(order[k : k + 2]) == {"A", "B"} for k in range(0, len(order), 2))


def test_medians_are_those_of_the_device_and_nothing_else() -> None:
    device = FakeDevice(flush_s=0.5)
    one = subject(device, "A", 1e-3, 2e-3, 3e-3)
    measure(device, [one], Plan(budget_s=1000.0, cold=True, least=60, most=60))
    got = spread(one.times)
    assert got.median == pytest.approx(2e-3)
    assert got.q1 == pytest.approx(1e-3) and got.q3 == pytest.approx(3e-3)
    assert got.n == 60


def test_the_cache_is_flushed_before_every_cold_launch_and_never_before_a_warm_one() -> None:
    for cold in (True, False):
        device = FakeDevice()
        one = subject(device, "A", 1e-3)
        measure(device, [one], Plan(budget_s=1.0, cold=cold, least=20, most=20))
        assert device.log.count("flush") == (one.times.__len__() if cold else 0)
        if cold:
            before = [device.log[k - 2] for k, word in enumerate(device.log) if word == "A"]
            assert set(before) == {"flush"}


def test_the_device_spins_while_the_host_enqueues() -> None:
    device = FakeDevice()
    one = subject(device, "A", 1e-3)
    one.host_s = 2e-5
    measure(device, [one], Plan(budget_s=1.0, cold=True, least=20, most=20))
    spins = {word for word in device.log if word.startswith("spin")}
    assert spins == {"spin 6.0e-05"}


class Timeline(FakeDevice):
    """A host that enqueues beside a device that works: what is not there yet is waited for."""

    MARK_S = 8e-6  # of the host, to make an event and record it

    def __init__(self) -> None:
        super().__init__()
        self.host_s = self.device_s = 0.0

    def enqueue(self, host_s: float, device_s: float) -> float:
        self.host_s += host_s
        self.device_s = max(self.device_s, self.host_s) + device_s
        return self.device_s

    def mark(self) -> float:
        return self.enqueue(self.MARK_S, 0.0)

    def spin(self, seconds: float) -> None:
        self.enqueue(4e-6, seconds)

    def synchronize(self) -> None:
        self.host_s = max(self.host_s, self.device_s)

    def now_s(self) -> float:
        return self.host_s


def test_a_short_warm_launch_is_not_timed_with_the_hosts_own_time() -> None:
    device = Timeline()
    short = Subject("A", lambda _: device.enqueue(8e-6, 2e-6))
    short.host_s = host_time(device, short)
    measure(device, [short], Plan(budget_s=1.0, cold=False, least=20, most=20))
    assert spread(short.times).median == pytest.approx(2e-6, rel=0.01)


def test_two_blocks_show_a_clock_that_changed_between_them() -> None:
    device = FakeDevice()
    one = subject(device, "A", *([1e-3] * 20 + [1.3e-3] * 20))
    measure(device, [one], Plan(budget_s=10.0, cold=False, least=40, most=40))
    assert len(one.blocks) == 2
    assert unstable(one.blocks)


def test_a_steady_kernel_is_not_timed_longer_than_needed() -> None:
    device = FakeDevice()
    one = subject(device, "A", 1e-5)
    measure(device, [one], Plan(budget_s=60.0, cold=False))
    assert len(one.times) == 20


def test_a_noisy_kernel_is_timed_until_the_time_is_over() -> None:
    device = FakeDevice()
    one = subject(device, "A", 1e-3, 3e-3, 2e-3, 9e-3, 5e-3)
    measure(device, [one], Plan(budget_s=1.0, cold=False))
    assert 20 < len(one.times) <= 2000
    assert device.time_s == pytest.approx(1.0, rel=0.1)


def test_a_slow_kernel_gets_three_launches_a_block_and_no_more() -> None:
    device = FakeDevice()
    one = subject(device, "A", 5.0)
    measure(device, [one], Plan(budget_s=10.0, cold=False))
    assert [len(block) for block in one.blocks] == [3, 3]


def test_a_graphs_time_is_that_of_one_launch() -> None:
    device = FakeDevice()
    one = subject(device, "A", 10e-3, launches=10)
    measure(device, [one], Plan(budget_s=1.0, cold=False, least=20, most=20))
    assert spread(one.times).median == pytest.approx(1e-3)


def test_warming_up_goes_on_until_launches_agree() -> None:
    device = FakeDevice()
    rising = subject(device, "A", *(0.02 - 0.001 * k for k in range(10)), *([0.01] * 1000))
    count = warm_up(device, rising, least_s=0.05, most_s=10.0)
    assert count >= 19, "ten launches in a row did not agree before"
    assert device.time_s >= 0.05


def test_warming_up_ends_where_launches_never_agree() -> None:
    device = FakeDevice()
    warm_up(device, subject(device, "A", 0.01, 0.02), least_s=0.1, most_s=0.5)
    assert device.time_s == pytest.approx(0.5, abs=0.05)


def test_host_time_and_first_call_are_by_the_hosts_clock() -> None:
    device = FakeDevice()
    one = subject(device, "A", 3e-3)
    assert once(device, one) == pytest.approx(3e-3)
    assert host_time(device, one) == pytest.approx(3e-3)
