"""The project's own check of its operators, with CUDA kernels on the PTX machine.

``python -m tests.compute.kernels.on_ptx OP... [--arch 90] [--dtype D] [--case NAME]`` compiles each
kernel by NVRTC for the architecture and runs its PTX (tests/fakes/ptx) on this CPU. What the g++
emulation cannot see is seen here: inline assembly, and reads past the end of a tensor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compute.kernels.cuda_build import HEADERS
from compute.kernels.tensor_maps import TensorMap
from tests.fakes.ptx import Machine, parse
from tests.fakes.ptx.nvrtc import ptx_of
from tests.fakes.ptx.program import Module
from tests.fakes.ptx.schedule import ORDERS

if TYPE_CHECKING:
    from compute.kernels.checking import Check


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


def checks(
    names: Sequence[str],
    dtypes: Sequence[str] = (),
    cases: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[Check]:
    """Of CUDA kernels on the CPU; no dtypes or cases are all of them."""
    from compute.kernels.checking import check
    from compute.kernels.registry import operators

    for name in names:
        operator = operators()[name]
        runs = [i for i in operator.implementations.values() if i.backend == "cuda"]
        for dtype in [d for d in operator.dtypes if not dtypes or d in dtypes]:
            for case in operator.adversarial(dtype, seed, "cpu"):
                if not cases or case.name in cases:
                    for implementation in runs:
                        yield check(operator, implementation, case, dtype, "cpu")


def main(argv: Sequence[str] | None = None) -> int:
    """Print each check, and how many kernels were launched; 1 when a check is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operators", nargs="+")
    parser.add_argument("--arch", type=int, default=90)
    parser.add_argument("--dtype", action="append", default=[])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--order", action="append", choices=ORDERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    # Read by the launchers, and by Triton when operators import it.
    os.environ |= {"K2C_CUDA_ON_CPU": "1", "K2C_CUDA_ARCH": str(chosen.arch)}
    os.environ.setdefault("TRITON_INTERPRET", "1")
    from compute.kernels import checking, cuda_build

    launcher = Launcher(chosen.arch, chosen.order or ORDERS)
    vars(cuda_build)["emulation_launch"] = launcher
    wrong = 0
    for done in checks(chosen.operators, chosen.dtype, chosen.case, chosen.seed):
        wrong += bool(done.why)
        line = json.dumps(asdict(done)) + "\n" if chosen.json else checking._line(done)
        sys.stdout.write(line)
        sys.stdout.flush()
    sys.stderr.write(f"{launcher.launches} launches\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
