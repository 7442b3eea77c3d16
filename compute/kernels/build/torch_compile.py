"""torch.compile as an implementation: one compilation a shape, made before anything is timed."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

MODE = "default"  # stated beside every figure; CUDA graphs would hide the launches


def compiled_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled at its first call, with static shapes: after a second shape a
    dynamic kernel would be timed for all of them.
    """

    @functools.cache
    def compiled() -> Callable[..., Any]:
        import torch

        # Read when inductor is first imported. Its pool has a process with torch in it for each
        # core, up to 32: more than a job's memory for the one kernel that each function here is,
        # and it lives on beside the timing.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
        made: Callable[..., Any] = torch.compile(function, dynamic=False, mode=MODE)
        return made

    @functools.wraps(function)
    def run(**inputs: Any) -> Any:
        return compiled()(**inputs)

    return run


def forget_shapes() -> None:
    """Drop compiled code: beyond eight shapes of one function torch stops compiling it."""
    import torch

    torch.compiler.reset()
