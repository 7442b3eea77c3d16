"""The pulse tells what the loop really did, and says unknown where it cannot know."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.pulse import INTERVAL_S, KEPT, Pulse, resident_mib


class LateLoop:
    """A clock and a sleep that oversleeps by the given lags, then sleeps for good."""

    def __init__(self, lags_s: list[float]) -> None:
        self.now_s = 100.0
        self._lags_s = iter(lags_s)

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        lag_s = next(self._lags_s, None)
        if lag_s is None:
            raise asyncio.CancelledError
        self.now_s += delay_s + lag_s


async def pulse_after(lags_s: list[float]) -> Pulse:
    loop = LateLoop(lags_s)
    pulse = Pulse(clock=loop.clock, sleep=loop.sleep)
    with pytest.raises(asyncio.CancelledError):
        await pulse.run()
    return pulse


async def test_before_the_first_sample_the_lag_is_unknown_not_zero() -> None:
    snapshot = Pulse().snapshot()
    assert snapshot.samples == 0
    assert (snapshot.lag_p50_ms, snapshot.lag_p99_ms, snapshot.lag_max_ms) == (None, None, None)


async def test_one_blocked_wake_up_shows_as_the_maximum_and_leaves_the_median() -> None:
    snapshot = (await pulse_after([0.001] * 98 + [0.2, 0.5])).snapshot()
    assert snapshot.samples == 100
    assert snapshot.lag_p50_ms == pytest.approx(1.0, abs=0.01)
    assert snapshot.lag_p99_ms == pytest.approx(500.0)
    assert snapshot.lag_max_ms == pytest.approx(500.0)


async def test_what_is_older_than_the_window_is_forgotten() -> None:
    snapshot = (await pulse_after([9.0] + [0.002] * KEPT)).snapshot()
    assert snapshot.samples == KEPT
    assert snapshot.lag_max_ms == pytest.approx(2.0, abs=0.01)


async def test_a_clock_that_wakes_early_is_no_negative_lag() -> None:
    snapshot = (await pulse_after([-INTERVAL_S / 2])).snapshot()
    assert snapshot.lag_max_ms == 0.0


def test_resident_memory_is_read_from_the_kernels_file(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tk2c\nVmPeak:\t  999999 kB\nVmRSS:\t   76800 kB\nThreads:\t3\n")
    assert resident_mib(status) == 75.0


@pytest.mark.parametrize("text", [None, "Name:\tk2c\n"])
def test_where_the_system_does_not_tell_memory_is_unknown(tmp_path: Path, text: str | None) -> None:
    status = tmp_path / "status"
    if text is not None:
        status.write_text(text)
    assert resident_mib(status) is None
