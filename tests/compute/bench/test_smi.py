from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from compute.bench import smi
from compute.bench.device import Clocks
from compute.bench.machine import with_clocks
from compute.bench.result import Environment
from compute.bench.smi import FIELDS, from_smi, reasons


def test_what_holds_the_clock_down_is_said_in_words() -> None:
    assert reasons(0x4 | 0x40) == ("power cap", "thermal (hardware)")
    assert reasons(0x1) == (), "an idle GPU is not throttled"


def test_a_row_of_nvidia_smi() -> None:
    row = dict(zip(FIELDS, ("1755", "1980", "61", "512.30", "0x0000000000000004"), strict=True))
    got = from_smi(row, 3)
    assert (got.sm_mhz, got.most_mhz, got.temperature_c, got.power_w) == (1755, 1980, 61, 512.3)
    assert got.throttle == ("power cap",)
    assert got.others == 2, "one of the three programs is this one"


def test_what_the_driver_does_not_tell_is_unknown_and_not_zero() -> None:
    got = from_smi(dict.fromkeys(FIELDS, "[N/A]"), None)
    assert (got.sm_mhz, got.power_w, got.others) == (None, None, None)
    assert from_smi({}, None).temperature_c is None


class Error(Exception):
    """NVML's."""


def _nvml(**values: Any) -> SimpleNamespace:
    def ask(name: str) -> Any:
        def call(handle: object, *arguments: object) -> Any:
            value = values[name]
            if isinstance(value, Exception):
                raise value
            return value

        return call

    names = ("ClockInfo", "MaxClockInfo", "Temperature", "PowerUsage",
             "ComputeRunningProcesses", "CurrentClocksThrottleReasons")  # fmt: skip
    return SimpleNamespace(
        NVMLError=Error,
        NVML_CLOCK_SM=1,
        NVML_TEMPERATURE_GPU=0,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        **{f"nvmlDeviceGet{name}": ask(name) for name in names},
    )


def test_nvml_is_read_and_a_value_it_refuses_is_unknown() -> None:
    nvml = _nvml(ClockInfo=1980, MaxClockInfo=1980, Temperature=40, PowerUsage=Error("no"),
                 ComputeRunningProcesses=[1], CurrentClocksThrottleReasons=0)  # fmt: skip
    got = smi._from_nvml(nvml, "GPU-1")
    assert got.sm_mhz == 1980 and got.power_w is None and got.others == 0


def test_an_idle_gpu_says_nothing_about_what_was_timed() -> None:
    row = dict(zip(FIELDS, ("345", "1980", "30", "70", "0x0000000000000001"), strict=True))
    idle, busy = from_smi(row, 1), Clocks(sm_mhz=1410, throttle=("power cap",), others=0)
    states = iter((busy, idle))
    glances = smi.Glances(lambda: next(states), every_s=0.0)
    for _ in range(2):
        glances.take()
        glances.seen()
    assert glances.seen() == [busy]
    known = with_clocks(Environment(), idle, glances.seen(), idle)
    assert known.clock_mhz == (1410, 1410) and known.throttle == ("power cap",)
    assert with_clocks(Environment(), idle, [], idle).clock_mhz == (), "nobody looked"


def test_one_look_at_a_time_and_none_is_waited_for() -> None:
    gate = threading.Event()

    def read() -> Clocks:
        gate.wait(10)
        return Clocks(sm_mhz=1.0)

    glances = smi.Glances(read, every_s=0.0)
    glances.take()
    glances.take()
    gate.set()
    assert len(glances.seen()) == 1


def test_a_driver_with_the_newer_name_alone_is_asked_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ask(query: str, uuid: str) -> list[list[str]] | None:
        return [["1980", "1980", "40", "300", "0x4"]] if smi.NEWER in query else None

    monkeypatch.setattr(smi, "_ask", ask)
    assert from_smi(smi._smi("GPU-1"), None).throttle == ("power cap",)


def test_without_nvml_and_without_nvidia_smi_all_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    got = smi.read_clocks("GPU-1")
    assert got.sm_mhz is None and got.others is None
