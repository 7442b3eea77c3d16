from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from compute.bench import smi
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


def test_without_nvml_and_without_nvidia_smi_all_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    got = smi.read_clocks("GPU-1")
    assert got.sm_mhz is None and got.others is None
