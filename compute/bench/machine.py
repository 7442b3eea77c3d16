"""Where a measurement runs: the device, and everything about it that a figure depends on."""

from __future__ import annotations

import importlib.metadata
import platform
from datetime import UTC, datetime

from compute.bench.cpu import CpuDevice
from compute.bench.device import Clocks, Device
from compute.bench.result import Environment

GIB = 2**30
PACKAGE = "kernels-to-clusters"


def find_device(place: str, host_gib: float) -> Device:
    """A GPU if there is one and ``place`` does not say "cpu"; else the CPU.

    Raises ``LookupError`` where ``place`` asks for a GPU and there is none.
    """
    import torch

    if place != "cpu" and torch.cuda.is_available():
        from compute.bench.gpu import CudaDevice

        return CudaDevice()
    if place not in ("", "cpu"):
        raise LookupError("there is no CUDA GPU on this machine")
    return CpuDevice(int(host_gib * GIB))


def environment(device: Device, precision: str) -> Environment:
    """Everything that stays while a run lasts."""
    import torch

    from compute.kernels.build.torch_compile import MODE
    from compute.worker.probe import probe

    machine = probe()
    on_gpu = device.kind == "cuda"
    return Environment(
        device="cuda" if on_gpu else "cpu",
        name=machine.gpu if on_gpu else machine.cpu,
        gpu_key=machine.gpu_key if on_gpu else "",
        sm=machine.sm if on_gpu else 0,
        memory_gib=round(machine.memory_gib if on_gpu else machine.host_gib, 1),
        l2_bytes=device.cache_bytes,
        driver=machine.driver if on_gpu else "",
        cuda=str(torch.version.cuda or "") if on_gpu else "",
        torch=torch.__version__,
        triton=machine.triton,
        python=platform.python_version(),
        version=own_version(),
        threads=torch.get_num_threads(),
        precision=precision,
        compile_mode=MODE,
        measured_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def with_clocks(known: Environment, before: Clocks, after: Clocks) -> Environment:
    """The same with the clocks at the beginning and the end."""

    def both(one: float | None, other: float | None) -> tuple[float, ...]:
        return () if one is None or other is None else (round(one, 1), round(other, 1))

    return known.model_copy(
        update={
            "clock_mhz": both(before.sm_mhz, after.sm_mhz),
            "clock_most_mhz": after.most_mhz,
            "temperature_c": both(before.temperature_c, after.temperature_c),
            "power_w": both(before.power_w, after.power_w),
            "throttle": tuple(dict.fromkeys((*before.throttle, *after.throttle))),
            "others": None
            if before.others is None or after.others is None
            else max(before.others, after.others),
            "load": both(before.load, after.load),
        }
    )


def own_version() -> str:
    """This project's, "" where it runs from its source alone."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""
