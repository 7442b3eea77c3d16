from __future__ import annotations

import pytest

from compute.bench.roofline import impossible, raised, roofline

L2 = 50 * 2**20


def test_the_floor_is_the_larger_of_bytes_and_work() -> None:
    memory = roofline(3_000_000_000, 10, 3000.0, 800.0)
    assert memory.floor_s == pytest.approx(1e-3) and memory.bound == "memory"
    compute = roofline(10, 800 * 10**12, 3000.0, 800.0)
    assert compute.floor_s == pytest.approx(1.0) and compute.bound == "compute"
    assert memory.percent(2e-3) == pytest.approx(50.0)


def test_what_pytorch_reaches_in_the_same_rounds_is_a_peak_within_reason() -> None:
    assert raised(700.0, 760.0) == 760.0
    assert raised(700.0, 600.0) == 700.0
    assert raised(700.0, 1400.0) == 700.0, "that is a fault and no peak"
    assert raised(None, 600.0) is None


def test_more_than_the_roofline_is_a_fault_of_the_measurement() -> None:
    def judged(
        percent: float, *, cold: bool = True, moved: int = 4 * L2, bound: str = "memory"
    ) -> bool:
        return impossible(percent, cold=cold, moved_bytes=moved, cache_bytes=L2, bound=bound)

    assert judged(106)
    assert not judged(104.9)
    assert not judged(300, cold=False), "a warm cache may be faster than memory"
    assert not judged(300, moved=L2), "it fits into the cache"
    assert judged(106, moved=L2, bound="compute"), "no cache multiplies faster"
