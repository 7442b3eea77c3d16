"""Where a backend can run: this CPU, Triton's interpreter, or a CUDA GPU."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from compute.kernels.build.emulation import emulated, emulated_arch, why_not

if TYPE_CHECKING:
    from compute.kernels.operator import Backend


def interpreted() -> bool:
    """Whether Triton was told, before its import, to run kernels in its interpreter."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def no_place(backend: Backend, device: str) -> str | None:
    """Why ``backend`` runs nothing on ``device``, or None."""
    import torch

    if device == "cuda":
        if not torch.cuda.is_available():
            return "there is no CUDA GPU here"
        if backend == "cuda" and emulated():
            return "CUDA kernels are emulated here, on the CPU"
        if backend == "triton" and interpreted():
            return "Triton's interpreter is on, which computes on the CPU"
        return None
    if backend == "cuda":
        return why_not() if emulated() else "needs a GPU"
    return "needs a GPU" if backend == "triton" and not interpreted() else None


@cache
def not_installed(package: str) -> str | None:
    """Why a library cannot be compared with, or None; "" is no library."""
    if not package or importlib.util.find_spec(package) is not None:
        return None
    return f"{package} is not installed on this machine"


def arch_of(tensor: Any) -> int:
    """Compute capability times 10 of the GPU that holds ``tensor`` (90 = Hopper); on a CPU that of
    the one which is played, or 0.
    """
    return _arch(tensor.device.index or 0) if tensor.is_cuda else emulated_arch()


@cache
def _arch(index: int) -> int:
    import torch

    major, minor = torch.cuda.get_device_capability(index)
    return major * 10 + minor


@cache
def multiprocessors(index: int) -> int:
    """Streaming multiprocessors of a GPU."""
    import torch

    return int(torch.cuda.get_device_properties(index).multi_processor_count)
