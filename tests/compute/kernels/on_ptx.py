"""The project's own check of its operators, with CUDA kernels on the PTX machine.

``python -m tests.compute.kernels.on_ptx OP... [--arch 90] [--dtype D] [--case NAME]`` compiles each
kernel by NVRTC for the architecture and runs its PTX (tests/fakes/ptx) on this CPU. What the g++
emulation cannot see is seen here: inline assembly, and reads past the end of a tensor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compute.kernels.build.cuda import HEADERS
from compute.kernels.build.tensor_maps import TensorMap
from tests.compute.kernels.on_machine import checks, options, printed
from tests.fakes.ptx import Machine, parse
from tests.fakes.ptx.nvrtc import ptx_of
from tests.fakes.ptx.program import Module
from tests.fakes.ptx.schedule import ORDERS

if TYPE_CHECKING:
    pass


class Launcher:
    """Stands for the emulation's launch: the same arguments, run by the PTX machine.

    ``orders``: of the warps; launches take turns. ``headers``: instead of the project's own.
    """

    def __init__(
        self, arch: int, orders: Sequence[str] = ("together",), headers: Path = HEADERS
    ) -> None:
        self.arch, self.orders, self.headers = arch, orders, headers
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
        """Only the tensors among the arguments may be touched."""
        module, symbol = _module(source, expression, self.arch, self.headers)
        order = self.orders[self.launches % len(self.orders)]
        self.launches += 1
        machine = Machine(module, order, eager_async=self.launches % 2 == 0)
        given = [_given(machine, argument) for argument in arguments]
        machine.launch(symbol, grid, threads, given, shared_bytes)


@cache
def _module(source: str, expression: str, arch: int, headers: Path) -> tuple[Module, str]:
    text, symbol = ptx_of(source, expression, arch, headers)
    return parse(text), symbol


def _given(machine: Machine, argument: Any) -> Any:
    """A tensor map is its 128 bytes in the emulated order; its tensor may be touched."""
    if not isinstance(argument, TensorMap):
        return argument
    machine.add_memory(argument.tensor)
    return argument.emulated_bytes()


def main(argv: Sequence[str] | None = None) -> int:
    """Print each check, and how many kernels were launched; 1 when a check is wrong."""
    chosen = options(__doc__, argv)
    os.environ.setdefault("TRITON_INTERPRET", "1")
    from compute.kernels.build import cuda as cuda_build

    launcher = Launcher(chosen.arch, chosen.order or ORDERS)
    vars(cuda_build)["emulation_launch"] = launcher
    found = checks("cuda", chosen.operators, chosen.dtype, chosen.case, chosen.seed)
    wrong = printed(found, as_json=chosen.json)
    sys.stderr.write(f"{launcher.launches} launches\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
