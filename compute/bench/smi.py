"""A GPU's clocks, temperature, power and neighbours: through NVML, else through nvidia-smi."""

from __future__ import annotations

import csv
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
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
IDLE = 0x1
FIELDS = (
    "clocks.sm", "clocks.max.sm", "temperature.gpu", "power.draw", "clocks_throttle_reasons.active",
)  # fmt: skip
NEWER = "clocks_event_reasons.active"  # of drivers from 535 on, which still take the older name
EVERY_S = 3.0


class Glances:
    """The state while something is timed, every few seconds, read by a thread of its own."""

    def __init__(self, read: Callable[[], Clocks], every_s: float = EVERY_S) -> None:
        self._read, self._every_s = read, every_s
        self._due_s = 0.0
        self._thread: threading.Thread | None = None
        self._seen: list[Clocks] = []

    def take(self) -> None:
        """Begin one if it is time; never waits."""
        if time.monotonic() < self._due_s or (self._thread and self._thread.is_alive()):
            return
        self._due_s = time.monotonic() + self._every_s
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        self._seen.append(self._read())

    def seen(self) -> list[Clocks]:
        """Those at which the GPU had work; waits for one under way."""
        if self._thread is not None:
            self._thread.join(2 * ASK_S)
        return [clocks for clocks in self._seen if not clocks.idle]


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
    bits = ask("nvmlDeviceGetCurrentClocksEventReasons")
    bits = ask("nvmlDeviceGetCurrentClocksThrottleReasons") if bits is None else bits
    running = ask("nvmlDeviceGetComputeRunningProcesses")
    return Clocks(
        sm_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
        most_mhz=ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
        temperature_c=ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        power_w=None if power is None else power / 1e3,
        throttle=reasons(bits or 0),
        idle=bool((bits or 0) & IDLE),
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
        idle=bool(bits & IDLE),
        others=None if processes is None else max(processes - 1, 0),
    )


def reasons(bits: int) -> tuple[str, ...]:
    """What holds the clock down, in words."""
    return tuple(words for bit, words in THROTTLE.items() if bits & bit)


def _smi(uuid: str) -> dict[str, str]:
    """One unknown field fails the whole question."""
    for names in (FIELDS, (*FIELDS[:4], NEWER), FIELDS[:4]):
        if rows := _ask(f"--query-gpu={','.join(names)}", uuid):
            return dict(zip(FIELDS, rows[0], strict=False))
    return {}


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
