"""A GPU's clocks, temperature, power and neighbours: through NVML, else through nvidia-smi."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Mapping
from typing import Any

from compute.bench.device import Clocks

ASK_S = 10.0
# NVML's bits of clocksEventReasons that hold the clock down; idle and application clocks do not.
THROTTLE = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}
FIELDS = (
    "clocks.sm", "clocks.max.sm", "temperature.gpu", "power.draw", "clocks_throttle_reasons.active",
)  # fmt: skip


def read_clocks(uuid: str) -> Clocks:
    """The state of that GPU; unknown values are None."""
    try:
        import pynvml  # type: ignore[import-not-found]
    except ImportError:
        return from_smi(_smi(uuid), _smi_processes(uuid))
    try:
        pynvml.nvmlInit()
        try:
            return _from_nvml(pynvml, uuid)
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return from_smi(_smi(uuid), _smi_processes(uuid))


def _from_nvml(nvml: Any, uuid: str) -> Clocks:
    handle = nvml.nvmlDeviceGetHandleByUUID(uuid)

    def ask(name: str, *arguments: Any) -> Any:
        try:
            return getattr(nvml, name)(handle, *arguments)
        except (nvml.NVMLError, AttributeError):
            return None

    power = ask("nvmlDeviceGetPowerUsage")
    running = ask("nvmlDeviceGetComputeRunningProcesses")
    return Clocks(
        sm_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
        most_mhz=ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
        temperature_c=ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        power_w=None if power is None else power / 1e3,
        throttle=reasons(ask("nvmlDeviceGetCurrentClocksThrottleReasons") or 0),
        others=None if running is None else max(len(running) - 1, 0),
    )


def from_smi(row: Mapping[str, str], processes: int | None) -> Clocks:
    """The state from a row of ``nvidia-smi --query-gpu`` and the number of programs on the GPU.

    One of them is this one; by its id it cannot be told apart inside a container.
    """

    def number(name: str) -> float | None:
        try:
            return float(row.get(name, ""))
        except ValueError:
            return None  # "[N/A]"

    try:
        bits = int(row.get(FIELDS[4], "0"), 16)
    except ValueError:
        bits = 0
    return Clocks(
        sm_mhz=number(FIELDS[0]),
        most_mhz=number(FIELDS[1]),
        temperature_c=number(FIELDS[2]),
        power_w=number(FIELDS[3]),
        throttle=reasons(bits),
        others=None if processes is None else max(processes - 1, 0),
    )


def reasons(bits: int) -> tuple[str, ...]:
    """What holds the clock down, in words."""
    return tuple(words for bit, words in THROTTLE.items() if bits & bit)


def _smi(uuid: str) -> dict[str, str]:
    rows = _ask(f"--query-gpu={','.join(FIELDS)}", uuid)
    return dict(zip(FIELDS, rows[0], strict=False)) if rows else {}


def _smi_processes(uuid: str) -> int | None:
    rows = _ask("--query-compute-apps=pid", uuid)
    return None if rows is None else sum(map(bool, rows))


def _ask(query: str, uuid: str) -> list[list[str]] | None:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits", f"--id={uuid}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return list(csv.reader(done.stdout.splitlines(), skipinitialspace=True))
