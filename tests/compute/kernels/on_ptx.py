"""The project's own check of its operators with CUDA kernels on the PTX machine.

``python -m tests.compute.kernels.on_ptx OP... [--arch 90] [--dtype D] [--case NAME]`` compiles
every kernel by NVRTC for the architecture and runs its PTX (tests/fakes/ptx) on this CPU: what the g++
emulation cannot see, as inline assembly and reads past a buffer, is seen here.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from compute.kernels.tensor_maps import TensorMap
from tests.fakes.ptx import Machine, parse
from tests.fakes.ptx.nvrtc import ptx_of


@cache
def _module(source: str, expression: str, arch: int) -> tuple[Any, str]:
    text, symbol = ptx_of(source, expression, arch)
    return parse(text), symbol


class Launcher:
    """Stands for the emulation's launch: the same arguments, run by the PTX machine."""

    def __init__(self, arch: int, order: str = "together") -> None:
        self.arch, self.order = arch, order
        self.launches = 0

    def __call__(
        self,
        source: str,
        expression: str,
        grid: tuple[int, ...],
        threads: int,
        arguments: Sequence[Any],
        shared_bytes: int,
    ) -> None:
        """Only tensors among the arguments may be touched."""
        module, symbol = _module(source, expression, self.arch)
        machine = Machine(module, self.order)
        values = [_value(machine, argument) for argument in arguments]
        machine.launch(symbol, grid, threads, values, shared_bytes)
        self.launches += 1


def _value(machine: Machine, argument: Any) -> Any:
    """A tensor map is its 128 bytes in the emulated layout; its tensor may be touched."""
    if not isinstance(argument, TensorMap):
        return argument
    machine.add_memory(argument.tensor)
    return argument.emulated_bytes()


def main(argv: Sequence[str] | None = None) -> int:
    """Print every check of the CUDA backend; 1 when one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operators", nargs="+")
    parser.add_argument("--arch", type=int, default=90)
    parser.add_argument("--dtype", action="append", default=[])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--order", default="together")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(argv)
    wrong = 0
    for done in checks(chosen):
        wrong += bool(done.why)
    return 1 if wrong else 0


def checks(chosen: argparse.Namespace) -> Any:
    """Each check as it is done, printed."""
    os.environ |= {"K2C_CUDA_ON_CPU": "1", "K2C_CUDA_ARCH": str(chosen.arch)}
    os.environ.setdefault("TRITON_INTERPRET", "1")
    import compute.kernels.cuda_build as cuda_build
    from compute.kernels.checking import _line, check
    from compute.kernels.registry import operators

    launcher = Launcher(chosen.arch, chosen.order)
    vars(cuda_build)["emulation_launch"] = launcher
    for name in chosen.operators:
        operator = operators()[name]
        for dtype in [d for d in operator.dtypes if not chosen.dtype or d in chosen.dtype]:
            for case in operator.adversarial(dtype, chosen.seed, "cpu"):
                if chosen.case and case.name not in chosen.case:
                    continue
                for implementation in operator.implementations.values():
                    if implementation.backend == "cuda":
                        begun = time.perf_counter()
                        done = check(operator, implementation, case, dtype, "cpu")
                        spent = time.perf_counter() - begun
                        sys.stdout.write(f"{spent:6.2f} s {_line(done)}")
                        sys.stdout.flush()
                        yield done


if __name__ == "__main__":
    raise SystemExit(main())
