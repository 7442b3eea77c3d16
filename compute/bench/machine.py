"""Where a measurement runs: the device, and everything about it that a figure depends on."""

from __future__ import annotations

import importlib.metadata
import platform
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from compute.bench.cpu import CpuDevice
from compute.bench.device import Clocks, Device
from compute.bench.result import Environment

GIB = 2**30
MOST_WHY = 200
PACKAGE = "kernels-to-clusters"


class Unusable(LookupError):
    """There is a GPU, and this PyTorch cannot use it; the message says why."""


def find_device(place: str, host_gib: float) -> Device:
    """A GPU if there is one and ``place`` does not say "cpu"; else the CPU.

    Raises ``LookupError`` where ``place`` asks for a GPU and there is none, and ``Unusable`` where
    there is one that PyTorch does not see: the CPU's times are no answer to who has a GPU.
    """
    import torch

    if place == "cpu":
        return CpuDevice(int(host_gib * GIB))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an old driver: said below
        found = torch.cuda.is_available()
    if found:
        from compute.bench.gpu import CudaDevice

        try:
            return CudaDevice()
        except Exception as error:  # another program has it alone, or it has failed
            raise Unusable(f"This machine's GPU cannot be used: {_first_line(error)}") from None
    if name := _hidden_gpu():
        raise Unusable(
            f"PyTorch {torch.__version__} cannot use this machine's {name}: {_why_not()}"
        )
    if place:
        raise LookupError("there is no CUDA GPU on this machine")
    return CpuDevice(int(host_gib * GIB))


def _hidden_gpu() -> str:
    from compute.worker.probe import probe

    machine = probe()
    return machine.gpu if machine.sm else ""


def _why_not() -> str:
    """In torch's words, or that it was built without CUDA."""
    import torch

    if not torch.version.cuda:
        return "it was built without CUDA."
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except Exception as error:  # of an old driver, a device without permission, a broken library
        return _first_line(error)
    return f"it was built for CUDA {torch.version.cuda} and finds no device."


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:MOST_WHY]


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


def with_clocks(
    known: Environment, before: Clocks, seen: Sequence[Clocks], after: Clocks
) -> Environment:
    """The same with the state while kernels were timed: an idle GPU is neither throttled nor at its
    clock. Its neighbours, temperature and a CPU's load count before and after too.
    """
    every = [before, *seen, after]

    def ends(values: Iterable[float | None]) -> tuple[float, ...]:
        told = [round(value, 1) for value in values if value is not None]
        return (min(told), max(told)) if told else ()

    others = [state.others for state in every if state.others is not None]
    return known.model_copy(
        update={
            "clock_mhz": ends(state.sm_mhz for state in seen),
            "clock_most_mhz": after.most_mhz,
            "temperature_c": ends(state.temperature_c for state in every),
            "power_w": ends(state.power_w for state in seen),
            "throttle": tuple(dict.fromkeys(why for state in seen for why in state.throttle)),
            "others": max(others, default=None),
            "load": ends(state.load for state in every),
        }
    )


def own_version() -> str:
    """This project's, "" where it runs from its source alone."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""
